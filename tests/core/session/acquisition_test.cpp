#include "core/session/servers.h"
#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

const Lease kMade{"made-1", {.address = "m:1", .incarnation = "i1"}};

}  // namespace

TEST_CASE("concurrent first calls share one acquisition, on whichever workers and for whichever sessions of a key") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller one(rig, "Config", kS1);
  Caller two(rig, "ExecutePlan", kS1, {.worker = 1});
  Caller three(rig, "Config", kS2, {.worker = 1});
  rig.Settle();
  CHECK_FALSE(one.is_answered());
  rig.later(kMade);
  CHECK(one.server() == "m:1");
  CHECK(two.server() == "m:1");
  CHECK(three.server() == "m:1");
  CHECK(rig.acquisitions == 1);
  CHECK(rig.sessions->List().size() == 2);
}

TEST_CASE("a caller that has waited for hold is told how far its server is, and finds it when it comes again") {
  SessionsRig rig("  - auth: auth1\n  - router: router1\n  - hot-pool: pool2\n    create: true\n    hold: 60ms\n");
  rig.script("router1").decide = [](const RouterCall&) { return Route{.namespace_ = "sjns-ads-prod"}; };
  rig.PoolWaits("pool2");
  Caller first(rig, "ExecutePlan", kS1);
  rig.phase("pulling image");
  rig.clock.Advance(84s);
  CHECK(first.status() ==
        Unavailable("Your server in sjns-ads-prod is still starting (pulling image, 84 s). Run this again in a minute.",
                    RetryIn(5s)));
  rig.later(kMade);
  rig.Settle();
  CHECK(rig.sessions->List().empty());
  CHECK(Once(rig, "ExecutePlan", kS1) == "m:1");
  CHECK(rig.acquisitions == 1);
}

TEST_CASE("a server that could not be made in time is said with what its pool was at") {
  SessionsRig rig(
      "  - auth: auth1\n  - router: router1\n  - hot-pool: pool2\n    create: true\n    hold: 10ms\n    give_up: 1s\n");
  rig.PoolWaits("pool2");
  Caller first(rig, "ExecutePlan", kS1);
  rig.phase("pulling image");
  Status status = first.status();
  for (int i = 0; i < 1'000 && status.code() == StatusCode::kUnavailable; ++i) {
    Caller again(rig, "ExecutePlan", kS1);
    status = again.status();
  }
  CHECK(status == FailedPrecondition("No server could be made in time (step 'pool2'). The last that was heard: pulling "
                                     "image. Run this again; if it stays so, tell whoever runs the gateway."));
  CHECK(rig.acquisitions == 1);
}

TEST_CASE("an acquisition goes on when its callers leave, and what nobody claims goes back after three minutes") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  {
    Caller leaving(rig, "Config", kS1);
    rig.Settle();
  }
  rig.later(kMade);
  rig.Settle();
  rig.Pass(2min + 59s);
  CHECK(rig.script("pool2").count("released") == 0);
  rig.Pass(1s);
  CHECK(rig.script("pool2").seen() == std::vector<std::string>{"released made-1 unclaimed"});
  rig.Pass(1min);
  CHECK(rig.script("pool2").count("released") == 1);
}

TEST_CASE("a server that was claimed in time does not go back") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  { Caller leaving(rig, "Config", kS1); }
  rig.later(kMade);
  rig.Settle();
  rig.Pass(2min);
  CHECK(Once(rig, "Config", kS2) == "m:1");
  rig.Pass(2min);
  CHECK(rig.script("pool2").count("released") == 0);
}

TEST_CASE(
    "ReattachExecute of an unknown session waits while its server is on its way, and is bound like a first call") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller first(rig, "ExecutePlan", kS1);
  CHECK(first.status().code() == StatusCode::kUnavailable);
  Caller again(rig, "ReattachExecute", kS1);
  rig.Settle();
  CHECK_FALSE(again.is_answered());
  rig.later(kMade);
  CHECK(again.server() == "m:1");
  CHECK(Once(rig, "ExecutePlan", kS1) == "m:1");
}

TEST_CASE("a server where a session has lived never goes back as unused, whoever leaves it last") {
  for (const bool is_used : {true, false}) {
    SessionsRig rig;
    rig.PoolGives("pool1");
    EndpointTable endpoints(rig.clock);
    Servers servers(rig.config, rig.pipeline(), endpoints, rig.services);
    CallContext context;
    *context.facts = FactsFor("Config");
    context.identity = std::make_shared<const Identity>(Identity{.subject = "alice"});
    ServerPtr server;
    rig.On(0, [&] {
      servers.Claim({"alice", kS1, false}, context, [&](const Result<ServerPtr>& claimed) {
        REQUIRE(claimed);
        server = *claimed;
      });
    });
    rig.Settle();
    REQUIRE(server);
    REQUIRE(servers.Join(server, kS1));
    REQUIRE(servers.Join(server, kS2));
    servers.Leave(server, is_used ? LeaseOutcome::kEnded : LeaseOutcome::kUnclaimed);
    servers.Leave(server, LeaseOutcome::kUnclaimed);
    rig.Settle();
    CHECK(rig.script("pool1").seen() ==
          std::vector<std::string>{is_used ? "released pool1-1 ended" : "released pool1-1 unclaimed"});
    servers.Stop(false);
  }
}

TEST_CASE("ReattachExecute of an unknown session claims a server that lies unclaimed") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  { Caller leaving(rig, "ExecutePlan", kS1); }
  rig.later(kMade);
  rig.Settle();
  CHECK(Once(rig, "ReattachExecute", kS1) == "m:1");
}

TEST_CASE("ReattachExecute finds the server that it was told of, also when another session of its key came first") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller first(rig, "ExecutePlan", kS1);
  CHECK(first.status().code() == StatusCode::kUnavailable);
  Caller other(rig, "Config", kS2);
  rig.later(kMade);
  CHECK(other.server() == "m:1");
  CHECK(Once(rig, "ReattachExecute", kS1) == "m:1");
  CHECK(IsChanged(Once(rig, "ReattachExecute", kS3)));
}

TEST_CASE("ReattachExecute with an observed id never waits for a server") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller first(rig, "ExecutePlan", kS1);
  CHECK(IsChanged(Once(rig, "ReattachExecute", kS1, {.has_observed_id = true})));
}

TEST_CASE("everybody who waits hears why an acquisition failed, and so does who comes within five seconds") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller one(rig, "Config", kS1);
  Caller two(rig, "Config", kS2, {.worker = 1});
  rig.later(FailedPrecondition("Forge refused: no quota"));
  CHECK(one.server() == "FAILED_PRECONDITION: Forge refused: no quota");
  CHECK(two.server() == "FAILED_PRECONDITION: Forge refused: no quota");
  rig.clock.Advance(4s);
  CHECK(Once(rig, "Config", kS3) == "FAILED_PRECONDITION: Forge refused: no quota");
  CHECK(rig.acquisitions == 1);
  rig.clock.Advance(2s);
  rig.PoolGives("pool2");
  CHECK(Once(rig, "Config", kS3) == "pool2:1");
}

TEST_CASE("a caller that was told to come again hears how it failed, a minute later, and once") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller first(rig, "ExecutePlan", kS1);
  CHECK(first.status().code() == StatusCode::kUnavailable);
  rig.later(FailedPrecondition("Forge refused: no quota"));
  rig.Settle();
  rig.clock.Advance(60s);
  CHECK(Once(rig, "ReattachExecute", kS1) == "FAILED_PRECONDITION: Forge refused: no quota");
  CHECK(IsChanged(Once(rig, "ReattachExecute", kS1)));
  rig.PoolGives("pool2");
  CHECK(Once(rig, "ExecutePlan", kS1) == "pool2:1");
}

TEST_CASE("an acquisition that ends UNAVAILABLE is begun anew by the next caller") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller one(rig, "Config", kS1);
  rig.later(Unavailable("Forge does not answer"));
  CHECK(one.server() == "UNAVAILABLE: Forge does not answer");
  Caller two(rig, "Config", kS1);
  rig.Settle();
  CHECK(rig.acquisitions == 2);
}

TEST_CASE("ReattachExecute begins an acquisition anew when the first one ended UNAVAILABLE") {
  SessionsRig rig;
  rig.PoolWaits("pool2");
  Caller first(rig, "ExecutePlan", kS1);
  rig.later(Unavailable("Forge does not answer"));
  CHECK(first.server() == "UNAVAILABLE: Forge does not answer");
  CHECK(IsChanged(Once(rig, "ReattachExecute", kS2)));
  rig.PoolGives("pool2");
  CHECK(Once(rig, "ReattachExecute", kS1) == "pool2:1");
}

TEST_CASE("no more callers wait than limits.waiting_callers, and who leaves makes room") {
  SessionsRig rig("  - auth: auth1\n  - hot-pool: pool2\n    create: true\n", "limits: {waiting_callers: 2}\n");
  rig.PoolWaits("pool2");
  Caller one(rig, "Config", kS1);
  Caller two(rig, "Config", kS1, {.subject = "bob"});
  CHECK(Once(rig, "Config", kS1, {.subject = "carol"}).starts_with("RESOURCE_EXHAUSTED: Too many callers wait"));
  one.Drop();
  // A client that was refused with a RetryInfo comes again by this.
  Caller three(rig, "ReattachExecute", kS1, {.subject = "carol"});
  rig.Settle();
  CHECK_FALSE(three.is_answered());
}

TEST_CASE("when the gateway stops, who waits is refused, and a server that comes too late goes back") {
  SessionsRig rig("  - auth: auth1\n  - hot-pool: pool2\n    create: true\n");
  rig.PoolWaits("pool2");
  Caller waiting(rig, "Config", kS1, {.worker = 1});
  rig.sessions->Stop();
  CHECK(waiting.server() == "UNAVAILABLE: The gateway is being stopped.");
  rig.later(kMade);
  CHECK(
      Eventually([&] { return rig.script("pool2").seen() == std::vector<std::string>{"released made-1 unclaimed"}; }));
  CHECK(Once(rig, "Config", kS1) == "UNAVAILABLE: The gateway is being stopped.");
}

TEST_CASE("without a journal a stopping gateway gives its servers back") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  rig.sessions->Stop();
  CHECK(rig.script("pool1").seen() == std::vector<std::string>{"released pool1-1 ended"});
}
