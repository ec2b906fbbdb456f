#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

TEST_CASE("the first call of a session binds it to a server, and later calls find it there") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  Caller first(rig, "Config", kS1);
  CHECK(first.server() == "pool1:1");
  CHECK(Once(rig, "ExecutePlan", kS1) == "pool1:1");
  CHECK(Once(rig, "GetStatus", kS1, {.has_observed_id = true, .worker = 1}) == "pool1:1");
  const auto list = rig.sessions->List();
  REQUIRE(list.size() == 1);
  CHECK(list[0].subject == "alice");
  CHECK(list[0].state == "bound");
  CHECK(list[0].lease_id == "pool1-1");
  CHECK(list[0].source == "pool1");
  CHECK(list[0].open_streams == 1);
}

TEST_CASE("a credential whose time is over is good for its own sessions, and makes no new one") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  const Status ended = Unauthenticated("your token has ended");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "ExecutePlan", kS1, {.only_bound = ended}) == "pool1:1");
  CHECK(Once(rig, "ExecutePlan", kS2, {.only_bound = ended}) == "UNAUTHENTICATED: your token has ended");
  CHECK(Once(rig, "ReattachExecute", kS2, {.only_bound = ended}) == "UNAUTHENTICATED: your token has ended");
  CHECK(Once(rig, "CloneSession", kS1, {.new_session_id = kS2, .only_bound = ended}) ==
        "UNAUTHENTICATED: your token has ended");
  CHECK(Once(rig, "ExecutePlan", kS1, {.subject = "bob", .only_bound = ended}) ==
        "UNAUTHENTICATED: your token has ended");
  CHECK(rig.sessions->List().size() == 1);
}

TEST_CASE("by default the sessions of a person share one server, and nobody else's") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "Config", kS2) == "pool1:1");
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "pool1:2");
  CHECK(Once(rig, "Config", kS1, {.realm = "okta"}) == "pool1:3");
}

TEST_CASE("with share: session each session has a server of its own") {
  SessionsRig rig(kPools, "sessions: {share: session}\n");
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "Config", kS2) == "pool1:2");
}

TEST_CASE("with share: team everybody of a namespace has one server, and the router's policy overrides the YAML") {
  SessionsRig rig("  - auth: auth1\n  - router: router1\n  - hot-pool: pool1\n", "sessions: {share: team}\n");
  rig.PoolGives("pool1");
  rig.script("router1").decide = [](const RouterCall& call) -> RouterAnswer {
    Route route{.namespace_ = std::string(*call.header("x-team"))};
    if (call.header("x-alone")) route.policy.share = Share::kSession;
    return route;
  };
  const auto where = [&](const std::string& session, const std::string& subject, const StringMap& headers) {
    return Once(rig, "Config", session, {.subject = subject, .headers = headers});
  };
  CHECK(where(kS1, "alice", {{"x-team", "ads"}}) == "pool1:1");
  CHECK(where(kS2, "bob", {{"x-team", "ads"}}) == "pool1:1");
  CHECK(where(kS2, "carol", {{"x-team", "ml"}}) == "pool1:2");
  CHECK(where(kS3, "alice", {{"x-team", "ads"}, {"x-alone", "1"}}) == "pool1:3");
}

TEST_CASE("what a server is made of is part of what is shared, in whichever order it is said") {
  SessionsRig rig("  - auth: auth1\n  - router: router1\n  - hot-pool: pool1\n");
  rig.PoolGives("pool1");
  StringMap attributes;
  std::string service_class;
  rig.script("router1").decide = [&](const RouterCall&) -> RouterAnswer {
    return Route{.service_class = service_class, .attributes = attributes};
  };
  attributes = {{"size", "m"}, {"spark", "4.1"}};
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  attributes = {{"spark", "4.1"}, {"size", "m"}};
  CHECK(Once(rig, "Config", kS2) == "pool1:1");
  attributes = {{"size", "l"}};
  CHECK(Once(rig, "Config", kS3) == "pool1:2");
  service_class = "gpu";
  CHECK(Once(rig, "Config", kOp) == "pool1:3");
}

TEST_CASE("methods that need no server of an unknown session have an empty success, and no server is taken") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  for (const char* method : {"ReleaseSession", "ReleaseExecute", "FetchErrorDetails"}) {
    CHECK(Once(rig, method, kS1) == "an empty success");
    CHECK(Once(rig, method, kS1, {.has_observed_id = true}) == "an empty success");
  }
  CHECK(rig.sessions->List().empty());
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
}

TEST_CASE("methods that need a session hear SESSION_CHANGED for an unknown one, and no server is taken") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  for (const char* method : {"ReattachExecute", "CloneSession", "GetStatus", "SomethingNew"}) {
    CHECK(IsChanged(Once(rig, method, kS1)));
  }
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
}

TEST_CASE("an unknown session that has observed a server has lost it, and no server is taken for it") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  for (const char* method :
       {"ExecutePlan", "AnalyzePlan", "Config", "AddArtifacts", "ArtifactStatus", "ReattachExecute"}) {
    Caller caller(rig, method, kS1, {.has_observed_id = true});
    CHECK(IsChanged(caller.server()));
    CHECK(caller.context().refused_by == "session");
  }
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
}

TEST_CASE("a session is found without its routing headers, and another value for one is refused") {
  SessionsRig rig(kRouted);
  rig.DiscoveryHas({{.address = "a:1"}});
  rig.script("router1").decide = [](const RouterCall& call) -> RouterAnswer {
    if (!call.header("x-team")) return InvalidArgument("Which team?");
    return Route{.namespace_ = "ns-" + std::string(*call.header("x-team")), .made_from = {"x-team", "x-size"}};
  };
  const auto where = [&](const StringMap& headers) { return Once(rig, "Config", kS1, {.headers = headers}); };
  CHECK(where({}) == "INVALID_ARGUMENT: Which team?");
  CHECK(where({{"x-team", "ads"}}) == "a:1");
  CHECK(where({}) == "a:1");
  CHECK(where({{"x-team", "ads"}, {"x-else", "1"}}) == "a:1");
  CHECK(where({{"x-team", "ml"}}) ==
        "INVALID_ARGUMENT: This session was made with x-team=ads, and this call says x-team=ml. Make a new session for "
        "that.");
  CHECK(where({{"x-team", "ads"}, {"x-team", "ml"}}).starts_with("INVALID_ARGUMENT"));
  CHECK(where({{"x-size", "l"}}).starts_with("INVALID_ARGUMENT: This session was made without x-size"));
}

TEST_CASE("of two first calls of a session whose headers differ, the second to be bound is refused") {
  SessionsRig rig("  - auth: auth1\n  - router: router1\n  - hot-pool: pool2\n    create: true\n");
  rig.PoolWaits("pool2");
  rig.script("router1").decide = [](const RouterCall& call) {
    return Route{.namespace_ = "ns-" + std::string(*call.header("x-team")), .made_from = {"x-team"}};
  };
  Caller ads(rig, "Config", kS1, {.headers = {{"x-team", "ads"}}});
  Caller ml(rig, "Config", kS1, {.headers = {{"x-team", "ml"}}, .worker = 1});
  rig.Settle();
  REQUIRE(rig.acquisitions == 2);
  rig.kept[0](Lease{"ads-1", {.address = "ads:1"}});
  CHECK(ads.server() == "ads:1");
  rig.kept[1](Lease{"ml-1", {.address = "ml:1"}});
  CHECK(ml.server().starts_with(
      "INVALID_ARGUMENT: This session was made with x-team=ads, and this call says x-team=ml."));
  const auto list = rig.sessions->List();
  REQUIRE(list.size() == 1);
  CHECK(list[0].endpoint == "ads:1");
  CHECK(list[0].open_streams == 1);
}

TEST_CASE(
    "the router speaks again when the identity's groups changed, with the headers that the session was made from") {
  SessionsRig rig(kRouted);
  rig.DiscoveryHas({{.address = "a:1"}});
  std::atomic<int> asked = 0;
  rig.script("router1").decide = [&](const RouterCall& call) -> RouterAnswer {
    ++asked;
    if (call.identity().groups.empty()) return PermissionDenied("team 'ads' is not yours");
    return Route{.namespace_ = "ns-" + std::string(*call.header("x-team")), .made_from = {"x-team"}};
  };
  CHECK(Once(rig, "Config", kS1, {.headers = {{"x-team", "ads"}}, .groups = {"ads"}}) == "a:1");
  CHECK(Once(rig, "Config", kS1, {.groups = {"ads"}}) == "a:1");
  CHECK(asked == 1);
  CHECK(Once(rig, "Config", kS1, {.groups = {"ads", "ml"}}) == "a:1");
  CHECK(asked == 2);
  CHECK(Once(rig, "Config", kS1, {.groups = {"ads", "ml"}}) == "a:1");
  CHECK(asked == 2);
  Caller refused(rig, "ExecutePlan", kS1);
  CHECK(refused.server() == "PERMISSION_DENIED: team 'ads' is not yours");
  CHECK(refused.context().refused_by == "router1");
  // Nobody is let in by an earlier answer.
  CHECK(Once(rig, "ExecutePlan", kS1).starts_with("PERMISSION_DENIED"));
}

TEST_CASE("the router speaks again when a service acts for the session's owner, and when it does not any more") {
  SessionsRig rig(kRouted);
  rig.DiscoveryHas({{.address = "a:1"}});
  rig.script("router1").decide = [](const RouterCall& call) -> RouterAnswer {
    if (!call.identity().actor.empty()) return PermissionDenied("that is alice's alone");
    return Route{};
  };
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(Once(rig, "Config", kS1, {.actor = "playground"}).starts_with("PERMISSION_DENIED"));
  CHECK(Once(rig, "Config", kS1) == "a:1");
}

TEST_CASE("what the router is asked again with does not reach the driver") {
  SessionsRig rig(kRouted);
  rig.DiscoveryHas({{.address = "a:1"}});
  StringMap headers{{"x-team", "ads"}};
  rig.script("router1").decide = [&](const RouterCall& call) -> RouterAnswer {
    if (!call.header("x-team")) return InvalidArgument("Which team?");
    // Another time it reads less.
    return Route{.made_from =
                     call.identity().groups.empty() ? std::vector<std::string>{"x-team"} : std::vector<std::string>{}};
  };
  CHECK(Once(rig, "Config", kS1, {.headers = headers}) == "a:1");
  Caller again(rig, "Config", kS1, {.groups = {"ads"}});
  CHECK(again.server() == "a:1");
  CHECK_FALSE(again.context().facts->headers.Find("x-team"));
}

TEST_CASE("the router speaks again when `recheck` has passed, and a session is never moved by what it says") {
  SessionsRig rig(kRouted, "sessions: {recheck: 5m}\n");
  rig.DiscoveryHas({{.address = "a:1"}});
  std::string where = "ns-ads";
  std::atomic<int> asked = 0;
  rig.script("router1").decide = [&](const RouterCall&) -> RouterAnswer {
    ++asked;
    return Route{.namespace_ = where};
  };
  CHECK(Once(rig, "Config", kS1) == "a:1");
  rig.clock.Advance(4min);
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(asked == 1);
  rig.clock.Advance(2min);
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(asked == 2);
  rig.clock.Advance(6min);
  where = "ns-ml";
  CHECK(Once(rig, "Config", kS1).starts_with("PERMISSION_DENIED: This session lives in ns-ads"));
}

TEST_CASE("sessions of one server that say the same share one Route, and another's is its own") {
  SessionsRig rig(kRouted, "sessions: {share: team}\n");
  rig.DiscoveryHas({{.address = "a:1"}});
  rig.script("router1").decide = [](const RouterCall&) { return Route{.namespace_ = "ns", .made_from = {"x-team"}}; };
  Caller one(rig, "Config", kS1, {.headers = {{"x-team", "ads"}}});
  Caller other(rig, "Config", kS2, {.headers = {{"x-team", "ads"}}});
  Caller of_another_team(rig, "Config", kS3, {.headers = {{"x-team", "ml"}}});
  Caller of_another_person(rig, "Config", kOp, {.subject = "bob", .headers = {{"x-team", "ads"}}});
  REQUIRE(of_another_person.server() == "a:1");
  CHECK(&one.ticket().route() == &other.ticket().route());
  CHECK(&one.ticket().route() != &of_another_team.ticket().route());
  CHECK(&one.ticket().route() != &of_another_person.ticket().route());
}

TEST_CASE("discovered servers serve many keys, the least bound first, by their weight") {
  SessionsRig rig(kDiscovered);
  rig.DiscoveryHas({{.address = "a:1"}, {.address = "b:1", .weight = 2}});
  std::map<std::string, int> bound;
  for (int i = 0; i < 9; ++i) ++bound[Once(rig, "Config", kS1, {.subject = "user" + std::to_string(i)})];
  CHECK(bound == std::map<std::string, int>{{"a:1", 3}, {"b:1", 6}});
}

TEST_CASE("a discovered server that is under a pool's lease is given to nobody") {
  SessionsRig rig("  - auth: auth1\n  - hot-pool: pool1\n  - discovery: discovery1\n");
  rig.DiscoveryHas({{.address = "pool1:1"}, {.address = "b:1"}});
  rig.PoolGives("pool1");
  Caller leased(rig, "Config", kS1);
  CHECK(leased.server() == "pool1:1");
  rig.script("pool1").acquire = [](const PoolCall&) { return Next{}; };
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "b:1");
  CHECK(Once(rig, "Config", kS1, {.subject = "carol"}) == "b:1");
}

TEST_CASE("a pool that gives one lease, or one server, to two callers is refused the second time") {
  SessionsRig rig;
  std::string lease = "lease-1";
  rig.script("pool1").acquire = [&](const PoolCall&) -> PoolAnswer { return Lease{lease, {.address = "a:1"}}; };
  Caller alice(rig, "Config", kS1);
  CHECK(alice.server() == "a:1");
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "INTERNAL: The pool 'pool1' gave one server to two callers.");
  CHECK(rig.script("pool1").count("released") == 0);
  CHECK(rig.sessions->is_leased("a:1"));
  lease = "lease-2";
  CHECK(Once(rig, "Config", kS1, {.subject = "carol"}) == "INTERNAL: The server a:1 is leased already.");
  CHECK(rig.script("pool1").seen() == std::vector<std::string>{"released lease-2 unclaimed"});
}

TEST_CASE("a clone lives on the same server, shares its lease, and the last of them gives it back") {
  SessionsRig rig(kPools, "sessions: {share: session}\n");
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  {
    Caller clone(rig, "CloneSession", kS1, {.new_session_id = kS2});
    CHECK(clone.server() == "pool1:1");
    rig.On(0, [&] { clone.ticket().BindClone(kS2); });
    // Bound before the client has its answer.
    CHECK(Once(rig, "GetStatus", kS2) == "pool1:1");
    clone.Finish();
  }
  CHECK(Once(rig, "ReleaseSession", kS1) == "pool1:1");
  CHECK(rig.script("pool1").count("released") == 0);
  CHECK(Once(rig, "Config", kS2) == "pool1:1");
  CHECK(Once(rig, "ReleaseSession", kS2) == "pool1:1");
  CHECK(rig.script("pool1").seen() == std::vector<std::string>{"released pool1-1 ended"});
}

TEST_CASE("a clone may not take the id of a session that lives on another server") {
  SessionsRig rig(kPools, "sessions: {share: session}\n");
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "Config", kS2) == "pool1:2");
  CHECK(Once(rig, "CloneSession", kS1, {.new_session_id = kS2}).starts_with("INVALID_ARGUMENT"));
  CHECK(Once(rig, "Config", kS2) == "pool1:2");
}

TEST_CASE("sessions that wait for one server are held against the limits when they get it") {
  SessionsRig rig("  - auth: auth1\n  - router: router1\n  - hot-pool: pool2\n    create: true\n");
  rig.script("router1").decide = [](const RouterCall&) { return Route{.policy = {.max_sessions = 1}}; };
  rig.PoolWaits("pool2");
  Caller one(rig, "Config", kS1);
  Caller two(rig, "Config", kS2);
  Caller reattach(rig, "ReattachExecute", kS3);
  rig.later(Lease{"made-1", {.address = "m:1"}});
  int placed = 0;
  for (Caller* caller : {&one, &two, &reattach}) placed += caller->server() == "m:1" ? 1 : 0;
  CHECK(placed == 1);
  CHECK(rig.sessions->List().size() == 1);
}

TEST_CASE("clones count as sessions, against every limit") {
  SUBCASE("of a caller") {
    SessionsRig rig(kRouted);
    rig.DiscoveryHas({{.address = "a:1"}});
    rig.script("router1").decide = [](const RouterCall&) { return Route{.policy = {.max_sessions = 1}}; };
    CHECK(Once(rig, "Config", kS1) == "a:1");
    CHECK(Once(rig, "CloneSession", kS1, {.new_session_id = kS2}).starts_with("RESOURCE_EXHAUSTED"));
  }
  SUBCASE("of the gateway") {
    SessionsRig rig(kDiscovered, "limits: {sessions: 1}\n");
    rig.DiscoveryHas({{.address = "a:1"}});
    CHECK(Once(rig, "Config", kS1) == "a:1");
    CHECK(Once(rig, "CloneSession", kS1, {.new_session_id = kS2}).starts_with("RESOURCE_EXHAUSTED"));
  }
}

TEST_CASE("the gateway has no more sessions than limits.sessions") {
  SessionsRig rig(kDiscovered, "limits: {sessions: 1}\n");
  rig.DiscoveryHas({{.address = "a:1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  Caller refused(rig, "Config", kS2);
  CHECK(refused.server().starts_with("RESOURCE_EXHAUSTED: The gateway has 1 of 1 sessions"));
  CHECK(refused.context().refused_by == "limits");
}

TEST_CASE("one subject does not take all sessions that the gateway may have") {
  SessionsRig rig(kDiscovered, "limits: {sessions_per_subject: 1}\n");
  rig.DiscoveryHas({{.address = "a:1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(Once(rig, "Config", kS2).starts_with("RESOURCE_EXHAUSTED: You have as many as you may have: 1 session"));
  CHECK(Once(rig, "Config", kS2, {.subject = "bob"}) == "a:1");
  CHECK(Once(rig, "ReleaseSession", kS1) == "a:1");
  CHECK(Once(rig, "Config", kS3) == "a:1");
}

TEST_CASE("observers hear of every session that is opened") {
  SessionsRig rig(kDiscovered + "  - audit: audit1\n");
  rig.DiscoveryHas({{.address = "a:1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(rig.script("audit1").seen() == std::vector<std::string>{"session_opened " + kS1});
}
