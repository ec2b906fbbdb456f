#include "core/upstream/pool.h"
#include "tests/core/http2/tls_client.h"
#include "tests/core/upstream/pool_rig.h"

namespace sgw::core::testing {
namespace {

using sgw::testing::Authority;

// A server with a certificate of `authority`, and what a gateway needs to trust it.
struct TlsDriver {
  explicit TlsDriver(const Authority::Wanted& wanted = {}, const std::string& client_ca = "") {
    own.With(authority.Issue(wanted));
    if (!client_ca.empty()) own.Trusting(client_ca);
    server.emplace([](Recorder&) {}, ConnectionOptions(), ConnectionOptions(), "127.0.0.1:0", SourceOf({own.files}));
    ours.Trusting(authority.certificate());
  }
  UpstreamOptions Options() const {
    UpstreamOptions options;
    options.tls = source = Source();
    return options;
  }
  std::shared_ptr<TlsSource> Source() const {
    const auto context = TlsContext::ForDrivers(ours.files);
    REQUIRE_MESSAGE(context, context.status().message());
    return std::make_shared<TlsSource>(*context);
  }
  Endpoint endpoint(const std::string& server_name = "", Tls tls = Tls::kConfigured) const {
    Endpoint one{.address = server->address};
    one.tls = tls;
    one.server_name = server_name;
    return one;
  }

  Authority authority;
  TlsFolder own;
  TlsFolder ours;
  std::optional<Pair> server;
  mutable std::shared_ptr<TlsSource> source;
};

// What a caller hears of it, and what an operator sees.
std::pair<std::string, std::string> Failure(PoolRig& rig, const Endpoint& endpoint) {
  Caller caller;
  const Status status = rig.Get(caller, endpoint);
  CHECK(status.code() == StatusCode::kUnavailable);
  const EndpointView view = rig.View(endpoint.address);
  CHECK(view.state == "failing");
  CHECK(rig.heard.failed == 0);  // it is there
  return {status.message(), view.last_error};
}

TEST_CASE("a server is reached by TLS where its certificate carries the name or address that is wanted") {
  TlsDriver driver({.names = "DNS:driver.acme.com,DNS:*.pods.acme.com,IP:127.0.0.1"});
  PoolRig rig(driver.Options());
  for (const char* name :
       {"", "driver.acme.com", "driver.acme.com.", "DRIVER.acme.com", "a.pods.acme.com", "127.0.0.1"}) {
    CAPTURE(name);
    Caller caller;
    CHECK(rig.Get(caller, driver.endpoint(name)).ok());
    rig.End(caller);
  }
}

TEST_CASE("a connection for one name is none for another") {
  TlsDriver driver({.names = "DNS:a.acme.com"});
  PoolRig rig(driver.Options());
  Caller good, bad;
  CHECK(rig.Get(good, driver.endpoint("a.acme.com")).ok());
  CHECK_FALSE(rig.Get(bad, driver.endpoint("b.acme.com")).ok());
  rig.End(good);
}

TEST_CASE("a server that is not to be trusted is set aside: callers hear that, operators hear why") {
  const auto check = [](const TlsDriver& driver, PoolRig& rig, const Endpoint& endpoint, const std::string& why) {
    const auto [told, seen] = Failure(rig, endpoint);
    CHECK(told ==
          "The driver cannot be reached (cannot connect to " + driver.server->address +
              ": it and the gateway do not trust each other (TLS); the gateway's log says why). Run this again in "
              "a minute; if it stays so, tell whoever runs the gateway.");
    CHECK(seen.find(why) != std::string::npos);
  };
  SUBCASE("a wrong name") {
    TlsDriver driver({.common_name = "127.0.0.1", .names = "DNS:driver.acme.com"});
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint(), "TLS with '127.0.0.1': certificate verify failed: IP address mismatch");
  }
  SUBCASE("a name in the subject alone") {
    TlsDriver driver({.common_name = "driver.acme.com", .names = "IP:127.0.0.1"});
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint("driver.acme.com"), "hostname mismatch");
  }
  SUBCASE("a wildcard within a name") {
    TlsDriver driver({.names = "DNS:dri*.acme.com"});
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint("driver.acme.com"), "hostname mismatch");
  }
  SUBCASE("a wildcard for two names") {
    TlsDriver driver({.names = "DNS:*.acme.com"});
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint("a.b.acme.com"), "hostname mismatch");
  }
  SUBCASE("a certificate that has expired") {
    TlsDriver driver({.begins = -7200, .ends = -60});
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint(), "certificate has expired");
  }
  SUBCASE("an unknown authority") {
    TlsDriver driver;
    driver.ours.Trusting(Authority("other").certificate());
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint(), "unable to get local issuer certificate");
  }
  SUBCASE("a name that is none") {
    TlsDriver driver;
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint("."), "'.' is no name that a certificate can carry");
  }
  SUBCASE("a server that wants a certificate, and we have none") {
    TlsDriver driver({}, Authority("clients").certificate());
    PoolRig rig(driver.Options());
    check(driver, rig, driver.endpoint(), "certificate required");
  }
  SUBCASE("a gateway without authorities") {
    TlsDriver driver;
    PoolRig rig;
    check(driver, rig, driver.endpoint("", Tls::kOn), "there is no upstream.tls.ca");
  }
  SUBCASE("a server that speaks plain text") {
    TlsDriver driver;
    // Says something at once, as HTTP/2 servers do.
    RawDriver plain({.on_open = [](RawLink& link) { link.Send(RawFrame::kSettings, 0, 0); }});
    PoolRig rig(driver.Options());
    const auto [told, seen] = Failure(rig, Endpoint{.address = plain.address});
    CHECK(told.find("do not trust each other (TLS)") != std::string::npos);
    CHECK(seen.find("wrong version number") != std::string::npos);
  }
}

TEST_CASE("our own certificate is presented to a server that asks for it") {
  Authority clients("clients");
  TlsDriver driver({}, clients.certificate());
  driver.ours.With(clients.Issue({.common_name = "gateway"}));
  PoolRig rig(driver.Options());
  Caller caller;
  REQUIRE(rig.Get(caller, driver.endpoint()).ok());
  const auto subject =
      RunOn(driver.server->worker(), [&] { return driver.server->servers[0].lock()->tls_peer()->subject; });
  CHECK(subject == "CN=gateway");
  rig.End(caller);
}

TEST_CASE("an endpoint may be plain where others are not") {
  TlsDriver driver;
  RawDriver plain({});
  PoolRig rig(driver.Options());
  Caller by_tls, by_text;
  CHECK(rig.Get(by_tls, driver.endpoint()).ok());
  Endpoint endpoint{.address = plain.address};
  endpoint.tls = Tls::kOff;
  CHECK(rig.Get(by_text, endpoint).ok());
  rig.End(by_tls);
}

TEST_CASE("an endpoint that is withdrawn keeps none of its connections, whatever name they are for") {
  TlsDriver driver({.names = "DNS:a.acme.com,DNS:b.acme.com"});
  PoolRig rig(driver.Options());
  Caller a, b;
  REQUIRE(rig.Get(a, driver.endpoint("a.acme.com")).ok());
  REQUIRE(rig.Get(b, driver.endpoint("b.acme.com")).ok());
  CHECK(a.connection != b.connection);
  rig.End(a);
  rig.End(b);
  const std::string address = driver.server->address;
  CHECK(rig.Sees(address, [](const EndpointView& view) { return view.connections == 2; }));
  rig.pools.Withdraw(address, "");
  CHECK(rig.Sees(address, [](const EndpointView& view) { return view.connections == 0; }));
}

TEST_CASE("new connections take authorities that have changed, and open ones stay") {
  StillClock clock;
  TlsDriver driver;
  const std::string right = driver.authority.certificate();
  driver.ours.Trusting(Authority("other").certificate());
  PoolRig rig(driver.Options(), clock);
  Caller refused, served, still;
  CHECK_FALSE(rig.Get(refused, driver.endpoint()).ok());
  driver.ours.Trusting(right);
  driver.source->Replace(driver.Source()->context());
  clock.Advance(250ms);
  CHECK(rig.Get(served, driver.endpoint()).ok());
  driver.ours.Trusting(Authority("other").certificate());
  driver.source->Replace(driver.Source()->context());
  CHECK(rig.Get(still, driver.endpoint()).ok());
  CHECK(still.connection == served.connection);
  rig.End(served);
  rig.End(still);
}

TEST_CASE("an address at which nobody is counts from then on, not from when somebody was there who was not trusted") {
  StillClock clock;
  EndpointTable table(clock);
  Heard heard;
  table.SetListener(&heard);
  const auto state = table.Of("a:1", "");
  const SteadyTime start = clock.Now();
  table.Failed(*state, clock.Now(), Unavailable("x"), "expired");
  clock.Advance(4s);
  CHECK(heard.failed == 0);
  table.Failed(*state, clock.Now(), Unavailable("refused"));
  REQUIRE(heard.failed == 1);
  CHECK(heard.runs[0] == start + 4s);
}

}  // namespace
}  // namespace sgw::core::testing
