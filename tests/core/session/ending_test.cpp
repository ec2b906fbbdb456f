#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

TEST_CASE("ReleaseSession ends a session for good, and its server goes back") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "ReleaseSession", kS1) == "pool1:1");
  CHECK(rig.script("pool1").seen() == std::vector<std::string>{"released pool1-1 ended"});
  for (const char* method : {"ExecutePlan", "Config", "ReattachExecute", "Interrupt", "ReleaseSession"}) {
    CHECK(IsClosed(Once(rig, method, kS1)));
  }
  rig.Pass(23h);
  CHECK(IsClosed(Once(rig, "ExecutePlan", kS1)));
  CHECK(Once(rig, "Config", kS2) == "pool1:2");
}

TEST_CASE("ReleaseSession with allow_reconnect ends it, and it may begin anew") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "ReleaseSession", kS1, {.allows_reconnect = true}) == "pool1:1");
  CHECK(Once(rig, "Config", kS1) == "pool1:2");
}

TEST_CASE("a ReleaseSession that failed ends nothing") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  {
    Caller release(rig, "ReleaseSession", kS1);
    release.Finish(StatusCode::kUnavailable);
  }
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
}

TEST_CASE("the last stream of an ended session gives the server back, not its release") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  Caller running(rig, "ExecutePlan", kS1);
  CHECK(running.server() == "pool1:1");
  CHECK(Once(rig, "ReleaseSession", kS1) == "pool1:1");
  CHECK(rig.script("pool1").count("released") == 0);
  running.Finish(StatusCode::kCancelled);
  CHECK(rig.script("pool1").seen() == std::vector<std::string>{"released pool1-1 ended"});
}

TEST_CASE("a session without calls ends after its idle timeout") {
  SessionsRig rig(kPools + "  - audit: audit1\n", "sessions: {idle_timeout: 10m}\n");
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  rig.Pass(9min);
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  rig.Pass(9min);
  CHECK(rig.sessions->List().size() == 1);
  rig.Pass(2min);
  CHECK(rig.sessions->List().empty());
  CHECK(rig.script("pool1").seen() == std::vector<std::string>{"released pool1-1 ended"});
  CHECK(Contains(Once(rig, "Config", kS1), "SESSION_CLOSED] This session was idle for too long"));
  CHECK(rig.script("audit1").seen() ==
        std::vector<std::string>{"session_opened " + kS1, "session_closed " + kS1 + ": idle for too long"});
}

TEST_CASE("the policy of a route has its own idle timeout") {
  SessionsRig rig(kRouted, "sessions: {idle_timeout: 10m, recheck: 24h}\n");
  rig.DiscoveryHas({{.address = "a:1"}});
  rig.script("router1").decide = [](const RouterCall&) { return Route{.policy = {.idle_timeout = 1min}}; };
  CHECK(Once(rig, "Config", kS1) == "a:1");
  rig.Pass(2min);
  CHECK(IsClosed(Once(rig, "Config", kS1)));
}

TEST_CASE("a session never ends by age or idleness while a stream is open") {
  SessionsRig rig(kPools, "sessions: {idle_timeout: 10m, max_age: 1h}\n");
  rig.PoolGives("pool1");
  Caller running(rig, "ExecutePlan", kS1);
  CHECK(running.server() == "pool1:1");
  rig.Pass(3h);
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  running.Finish();
  rig.Pass(1s);
  CHECK(Contains(Once(rig, "Config", kS1), "SESSION_CLOSED] This session was older than sessions may be"));
}

TEST_CASE("an operation that pauses keeps its session, until it is complete, released, or nobody reads it") {
  SessionsRig rig(kPools, "sessions: {idle_timeout: 1m}\n");
  rig.PoolGives("pool1");
  {
    Caller execute(rig, "ExecutePlan", kS1, {.operation_id = kOp});
    execute.Finish(StatusCode::kOk, false);
  }
  rig.Pass(5min);
  REQUIRE(rig.sessions->List().size() == 1);
  CHECK(rig.sessions->List()[0].operations == 1);
  SUBCASE("it is complete") {
    Once(rig, "ReattachExecute", kS1, {.operation_id = kOp});
    CHECK(rig.sessions->List()[0].operations == 0);
    rig.Pass(2min);
  }
  SUBCASE("it fails") {
    {
      Caller reattach(rig, "ReattachExecute", kS1, {.operation_id = kOp});
      reattach.Finish(StatusCode::kInternal, false);
    }
    rig.Pass(2min);
  }
  SUBCASE("all of it is released") {
    Once(rig, "ReleaseExecute", kS1, {.operation_id = kOp});
    CHECK(rig.sessions->List()[0].operations == 1);
    Once(rig, "ReleaseExecute", kS1, {.operation_id = kOp, .is_release_all = true});
    CHECK(rig.sessions->List()[0].operations == 0);
    rig.Pass(2min);
  }
  SUBCASE("nobody reads it") { rig.Pass(6min); }
  CHECK(rig.sessions->List().empty());
}

TEST_CASE("an operation whose stream broke off may run on, and keeps its session for a while") {
  SessionsRig rig(kPools, "sessions: {idle_timeout: 1m}\n");
  rig.PoolGives("pool1");
  {
    Caller execute(rig, "ExecutePlan", kS1, {.operation_id = kOp});
    CHECK(execute.server() == "pool1:1");
    rig.Pass(30min);
  }
  rig.Pass(9min);
  CHECK(rig.sessions->List().size() == 1);
  rig.Pass(2min);
  CHECK(rig.sessions->List().empty());
}

TEST_CASE("without reattach, an OK end is the operation's end") {
  SessionsRig rig(kPools);
  rig.PoolGives("pool1");
  Caller execute(rig, "ExecutePlan", kS1, {.operation_id = kOp, .is_reattachable = false});
  execute.Finish(StatusCode::kOk, false);
  CHECK(rig.sessions->List()[0].operations == 0);
}

TEST_CASE("a session is lost at once when its pool says that the server is gone, and for good") {
  SessionsRig rig(kPools + "  - audit: audit1\n");
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "pool1:2");
  rig.script("pool1").host->LeaseLost("pool1-1", "killed, out of memory");
  CHECK(rig.script("pool1").seen() == std::vector<std::string>{"released pool1-1 lost"});
  const std::string said = Once(rig, "ExecutePlan", kS1);
  CHECK(IsChanged(said));
  CHECK(Contains(said,
                 "(killed, out of memory). Temporary views, cached tables and settings are gone. Run "
                 "SparkSession.builder.getOrCreate() again, then your set-up cells."));
  for (const char* method : {"Config", "ReattachExecute", "Interrupt", "ReleaseSession"}) {
    CHECK(IsChanged(Once(rig, method, kS1)));
  }
  CHECK(rig.script("audit1").count("session_lost " + kS1 + ": killed, out of memory") == 1);
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "pool1:2");
  CHECK(Once(rig, "Config", kS2) == "pool1:3");
  rig.Pass(23h);
  CHECK(IsChanged(Once(rig, "ExecutePlan", kS1)));
  CHECK(rig.script("pool1").count("released pool1-1") == 1);
}

TEST_CASE("observers hear of a lost session though nobody calls") {
  SessionsRig rig(kPools + "  - audit: audit1\n");
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  rig.script("pool1").host->LeaseLost("pool1-1", "killed");
  rig.Sweep();
  CHECK(rig.script("audit1").count("session_lost " + kS1) == 1);
  CHECK(rig.sessions->List().empty());
}

TEST_CASE("a lease of the same name of another pool is another lease") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  rig.script("pool2").host->LeaseLost("pool1-1", "killed");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
}

TEST_CASE("a session is lost when its discovery says that the server is gone, but not the one that took its address") {
  SessionsRig rig(kDiscovered);
  rig.DiscoveryHas({{.address = "a:1", .incarnation = "uid-1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  rig.script("discovery1").host->EndpointGone("a:1", "uid-0", "pod deleted");
  CHECK(Once(rig, "Config", kS1) == "a:1");
  rig.script("discovery1").host->EndpointGone("a:1", "uid-1", "pod deleted");
  CHECK(IsChanged(Once(rig, "Config", kS1)));
}

TEST_CASE("a session is lost when its server's address has another incarnation") {
  SessionsRig rig(kDiscovered);
  rig.DiscoveryHas({{.address = "a:1", .incarnation = "uid-1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  rig.DiscoveryHas({{.address = "a:1", .incarnation = "uid-2"}});
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "a:1");
  const std::string said = Once(rig, "Config", kS1);
  CHECK(IsChanged(said));
  CHECK(Contains(said, "another server took its address"));
}

TEST_CASE("another incarnation is noticed when the discovery publishes it, though nobody asks") {
  SessionsRig rig(kDiscovered);
  rig.DiscoveryHas({{.address = "a:1", .incarnation = "uid-1"}, {.address = "b:1", .incarnation = "uid-2"}});
  Caller running(rig, "ExecutePlan", kS1);
  CHECK(running.server() == "a:1");
  rig.script("discovery1").host->MakeSnapshot({{.address = "a:1"}, {.address = "b:1", .incarnation = "uid-9"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  rig.script("discovery1").host->MakeSnapshot({{.address = "a:1", .incarnation = "uid-9"}});
  rig.Sweep();
  CHECK(IsChanged("INTERNAL: " + running.cut().message()));
}

TEST_CASE("a token that one key's server refuses leaves another key's at the same address alone") {
  SessionsRig rig(kDiscovered);
  const auto has_token = [&](const char* token) { rig.DiscoveryHas({{.address = "a:1", .token = Secret(token)}}); };
  const auto token_of = [&](const std::string& session, const std::string& subject) {
    Caller caller(rig, "Config", session, {.subject = subject});
    const std::string said = caller.server();
    const std::string token = said == "a:1" ? caller.ticket().endpoint().token.Reveal() : said;
    caller.Finish();
    return token;
  };
  has_token("old");
  Caller alice(rig, "Config", kS1, {.subject = "alice"});
  CHECK(alice.server() == "a:1");
  has_token("new");
  Caller bob(rig, "Config", kS2, {.subject = "bob"});
  CHECK(bob.server() == "a:1");

  rig.On(0, [&] { alice.ticket().LoseServer("it does not take the token"); });
  rig.Sweep();
  CHECK(IsChanged("INTERNAL: " + alice.cut().message()));
  CHECK_FALSE(bob.is_cut());
  bob.Finish();
  CHECK(IsChanged(token_of(kS1, "alice")));
  CHECK(token_of(kS2, "bob") == "new");
  CHECK(token_of(kS3, "alice") == "new");
  CHECK(rig.sessions->List().size() == 2);
}

TEST_CASE("a server that is missing from a snapshot keeps its sessions and gets no new ones") {
  SessionsRig rig(kDiscovered);
  rig.DiscoveryHas({{.address = "a:1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  rig.DiscoveryHas({{.address = "b:1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "b:1");
}

TEST_CASE("a session is lost when no connection could be opened for lost_after, and not before") {
  SessionsRig rig(kDiscovered, "sessions: {lost_after: 30s}\n");
  rig.DiscoveryHas({{.address = "a:1", .incarnation = "uid-1"}});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  const auto state = rig.endpoints.Of("a:1", "uid-1");
  const SteadyTime began = rig.clock.Now();
  const auto fails = [&] {
    rig.On(0, [&] { rig.endpoints.Failed(*state, began, Unavailable("connection refused")); });
  };
  fails();
  rig.clock.Advance(29s);
  fails();
  CHECK(Once(rig, "Config", kS1) == "a:1");
  SUBCASE("it stays away") {
    rig.clock.Advance(1s);
    fails();
    const std::string said = Once(rig, "Config", kS1);
    CHECK(IsChanged(said));
    CHECK(Contains(said, "connection refused"));
  }
  SUBCASE("it comes back") {
    rig.On(0, [&] { rig.endpoints.Reached(*state); });
    rig.clock.Advance(1s);
    rig.On(0, [&] { rig.endpoints.Failed(*state, rig.clock.Now(), Unavailable("connection refused")); });
    CHECK(Once(rig, "Config", kS1) == "a:1");
  }
}

TEST_CASE("an endpoint counts as bound while a session lives there, so that it is tried without calls") {
  SessionsRig rig(kDiscovered);
  rig.DiscoveryHas({{.address = "a:1"}});
  const auto state = rig.endpoints.Of("a:1", "");
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(Once(rig, "Config", kS2) == "a:1");
  CHECK(state->bound == 1);
  CHECK(Once(rig, "ReleaseSession", kS1) == "a:1");
  CHECK(state->bound == 1);
  CHECK(Once(rig, "ReleaseSession", kS2) == "a:1");
  CHECK(state->bound == 0);
}

TEST_CASE("an operator ends a session, of the subject and the realm that are named where several have one of that id") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "Config", kS1, {.subject = "bob"}) == "pool1:2");
  CHECK(rig.sessions->End({kS2}).code() == StatusCode::kNotFound);
  CHECK(rig.sessions->End({kS1}).code() == StatusCode::kFailedPrecondition);
  CHECK(rig.sessions->End({kS1, "bob"}).ok());
  CHECK(Contains(Once(rig, "Config", kS1, {.subject = "bob"}), "SESSION_CLOSED] An operator ended this session."));
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(Once(rig, "Config", kS1, {.realm = "partner"}) == "pool1:3");
  CHECK(rig.sessions->End({kS1, "alice"}).message() ==
        "several users have a session " + kS1 + "; say whose with --subject and --realm");
  CHECK(rig.sessions->End({kS1, "alice", "partner"}).ok());
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK(IsClosed(Once(rig, "Config", kS1, {.realm = "partner"})));
}

TEST_CASE("a gateway that stops ends its sessions and says so, unless they are written down") {
  const TempDir dir;
  std::string state;
  std::vector<std::string> ends = {"operation_ended " + kS1 + " " + kOp + ": the gateway was stopped",
                                   "session_closed " + kS1 + ": the gateway was stopped"};
  SUBCASE("without a journal") {}
  SUBCASE("with one") {
    state = "sessions: {state: " + dir.path() + "/sessions}\n";
    ends.clear();
  }
  SessionsRig rig(kPools + "  - audit: audit1\n", state);
  rig.PoolGives("pool1");
  Caller running(rig, "ExecutePlan", kS1, {.operation_id = kOp});
  REQUIRE(running.status().ok());
  running.Drop();
  rig.sessions->Stop();
  ends.insert(ends.begin(), "session_opened " + kS1);
  CHECK(rig.script("audit1").seen() == ends);
  CHECK(rig.sessions->List().size() == (state.empty() ? 0 : 1));
}

TEST_CASE("tombstones are forgotten after a day") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  Once(rig, "ReleaseSession", kS1);
  rig.Pass(24h + 1s);
  CHECK(Once(rig, "Config", kS1) == "pool1:2");
}
