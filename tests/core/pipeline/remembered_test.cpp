#include "core/pipeline/remembered.h"

#include "tests/core/pipeline/scripted_gateway.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

struct Connection {
  std::shared_ptr<Remembered> remembered = std::make_shared<Remembered>();
  std::shared_ptr<const core::TlsPeer> peer{};
};

// A gateway whose plugin knows every bearer by name: alice's token is "alice".
struct Remembering {
  explicit Remembering(const std::string& auth = "remembered1")
      : gateway("  - auth: [" + auth + "]\n  - discovery: discovery1\n") {
    Knows("remembered1");
  }
  void Knows(const std::string& plugin) {
    gateway.script(plugin).authenticate = [this](const AuthCall& call) -> AuthAnswer {
      ++asked;
      const auto bearer = call.bearer();
      if (!bearer) return Unauthenticated("who?");
      if (*bearer == "another's") return Next{};
      Identity identity{.subject = std::string(*bearer), .expiry = expiry, .made_from = {"x-act-for"}};
      if (const auto person = call.header("x-act-for")) identity.subject = *person;
      if (!is_lapsed) return identity;
      return Lapsed{std::move(identity), Unauthenticated("ended at noon")};
    };
  }
  // Makes a call, and gives who it is, or what refuses it.
  std::string Call(const Connection& connection, const StringMap& headers) {
    CallContext context;
    *context.facts = FactsFor("Config", headers);
    context.facts->received = gateway.clock.Wall();
    context.facts->tls = connection.peer;
    context.remembered = connection.remembered;
    Status status;
    gateway.On(0, [&] {
      const auto run = gateway.pipeline()->Authenticate(context, [&](Status answer) { status = std::move(answer); });
    });
    if (!status.ok()) return std::string(CodeName(status.code()));
    return context.identity->subject + (context.only_bound.ok() ? "" : ", for its sessions");
  }
  std::string Call(const Connection& connection, const std::string& token) {
    return Call(connection, StringMap{{"authorization", "Bearer " + token}});
  }

  ScriptedGateway gateway;
  int asked = 0;
  bool is_lapsed = false;
  std::optional<WallTime> expiry{};
};

}  // namespace

TEST_CASE("a connection remembers who it is, and what it says else is no concern") {
  Remembering r;
  const Connection connection;
  CHECK(r.Call(connection, "alice") == "alice");
  CHECK(r.Call(connection, "alice") == "alice");
  CHECK(r.Call(connection, {{"x-other", "1"}, {"authorization", "Bearer alice"}}) == "alice");
  CHECK(r.asked == 1);
}

TEST_CASE("another credential on the same connection is asked about, and the one before is forgotten") {
  Remembering r;
  const Connection connection;
  CHECK(r.Call(connection, "alice") == "alice");
  CHECK(r.Call(connection, "bob") == "bob");
  CHECK(r.Call(connection, "alice") == "alice");
  CHECK(r.asked == 3);
  // A piece of it, more of it, the same twice, under another name, and none at all.
  CHECK(r.Call(connection, "alic") == "alic");
  CHECK(r.Call(connection, "alice") == "alice");
  CHECK(r.Call(connection, "alicealice") == "alicealice");
  CHECK(r.Call(connection, {{"authorization", "Bearer alice"}, {"authorization", "Bearer alice"}}) == "alice");
  CHECK(r.Call(connection, {{"authentication", "Bearer alice"}}) == "alice");
  CHECK(r.asked == 8);
  CHECK(r.Call(connection, StringMap{}) == "UNAUTHENTICATED");
  CHECK(r.asked == 9);
}

TEST_CASE("what one connection remembers is no other's, and a change of its peer ends it") {
  Remembering r;
  Connection one{.peer = std::make_shared<const core::TlsPeer>()};
  const Connection two{.peer = one.peer};
  CHECK(r.Call(one, "alice") == "alice");
  CHECK(r.Call(two, "alice") == "alice");
  CHECK(r.asked == 2);
  one.peer = std::make_shared<const core::TlsPeer>();
  CHECK(r.Call(one, "alice") == "alice");
  CHECK(r.asked == 3);
}

TEST_CASE("an identity is remembered until it expires, or its plugin's keys change") {
  Remembering r;
  const Connection connection;
  r.expiry = r.gateway.clock.Wall() + 1min;
  CHECK(r.Call(connection, "alice") == "alice");
  r.gateway.clock.Advance(59s);
  CHECK(r.Call(connection, "alice") == "alice");
  CHECK(r.asked == 1);
  r.gateway.clock.Advance(1s);
  r.is_lapsed = true;
  r.expiry = r.gateway.clock.Wall() + 8h;
  CHECK(r.Call(connection, "alice") == "alice, for its sessions");
  CHECK(r.Call(connection, "alice") == "alice, for its sessions");
  CHECK(r.asked == 2);
  r.gateway.script("remembered1").host->ForgetIdentities();
  CHECK(r.Call(connection, "alice") == "alice, for its sessions");
  CHECK(r.Call(connection, "alice") == "alice, for its sessions");
  CHECK(r.asked == 3);
}

TEST_CASE("an identity that has ended is nobody's, as that of a certificate on an old connection") {
  Remembering r;
  const Connection connection;
  r.expiry = r.gateway.clock.Wall() + 1min;
  CHECK(r.Call(connection, "alice") == "alice");
  r.gateway.clock.Advance(1min);
  CHECK(r.Call(connection, "alice") == "UNAUTHENTICATED");
  CHECK(r.Call(connection, "alice") == "UNAUTHENTICATED");
}

TEST_CASE("the headers that an identity was made from belong to the credential") {
  Remembering r;
  const Connection connection;
  const auto act_for = [&](const StringMap& people) {
    StringMap headers{{"authorization", "Bearer portal"}};
    headers.insert(headers.end(), people.begin(), people.end());
    return r.Call(connection, headers);
  };
  CHECK(act_for({}) == "portal");
  CHECK(act_for({{"x-act-for", "alice"}}) == "alice");
  CHECK(act_for({{"x-act-for", "alice"}}) == "alice");
  CHECK(r.asked == 2);
  CHECK(act_for({{"x-act-for", "bob"}}) == "bob");
  CHECK(act_for({{"x-act-for", "bob"}, {"x-act-for", "alice"}}) == "bob");
  CHECK(act_for({}) == "portal");
  CHECK(r.asked == 5);
}

TEST_CASE("a refusal is not remembered, and so is no answer behind a plugin that cannot be") {
  Remembering r("auth1, remembered1");
  const Connection connection;
  r.gateway.script("auth1").authenticate = [](const AuthCall&) { return Next{}; };
  for (int i = 0; i < 2; ++i) CHECK(r.Call(connection, "alice") == "alice");
  for (int i = 0; i < 2; ++i) CHECK(r.Call(connection, StringMap{}) == "UNAUTHENTICATED");
  CHECK(r.asked == 4);
}

TEST_CASE("what is remembered stands before plugins that are not, in their realm, and for its pipeline alone") {
  Remembering r("remembered1, auth1");
  Remembering other("remembered1, auth1");
  const Connection connection;
  r.Knows("auth1");
  for (int i = 0; i < 2; ++i) CHECK(r.Call(connection, "alice") == "alice");
  CHECK(connection.remembered->identity()->realm == "remembered1");
  CHECK(r.asked == 1);
  CHECK(other.Call(connection, "alice") == "alice");
  CHECK(other.asked == 1);
  // The second step decides, and may not be remembered.
  for (int i = 0; i < 2; ++i) CHECK(r.Call(connection, "another's") == "UNAUTHENTICATED");
  CHECK(r.asked == 5);
}
