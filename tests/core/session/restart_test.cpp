#include <fstream>
#include <sstream>

#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

std::string StateIn(const TempDir& dir) { return "sessions: {recheck: 24h, state: " + dir.path() + "/sessions}\n"; }

std::string ContentOf(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

}  // namespace

TEST_CASE("sessions survive a restart, and a pool's lease is redeemed by its instance's name") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kPools, StateIn(dir));
  first->script("pool1").acquire = [](const PoolCall&) -> PoolAnswer {
    return Lease{"lease-1", {.address = "a:1", .incarnation = "i1", .token = Secret("s3cret-token")}};
  };
  CHECK(Once(*first, "Config", kS1) == "a:1");
  const auto scripts = first->scripts();
  first.reset();
  CHECK((*scripts)["pool1"].count("released") == 0);

  std::string redeemed;
  (*scripts)["pool1"].redeem = [&](const std::string& lease_id, auto done) {
    redeemed = lease_id;
    done(Lease{lease_id, {.address = "a:1", .incarnation = "i1", .token = Secret("s3cret-token")}});
  };
  SessionsRig second(kPools, StateIn(dir), scripts);
  CHECK(redeemed == "lease-1");
  Caller caller(second, "ReattachExecute", kS1, {.has_observed_id = true});
  CHECK(caller.server() == "a:1");
  CHECK(caller.ticket().endpoint().token == Secret("s3cret-token"));
  caller.Finish();
  CHECK_FALSE(Contains(ContentOf(dir.path() + "/sessions"), "s3cret"));
  // A second session of the same person joins it, and the last one gives the lease back.
  CHECK(Once(second, "Config", kS2) == "a:1");
  Once(second, "ReleaseSession", kS1);
  CHECK((*scripts)["pool1"].count("released") == 0);
  Once(second, "ReleaseSession", kS2);
  CHECK((*scripts)["pool1"].seen() == std::vector<std::string>{"released lease-1 ended"});
}

TEST_CASE("a lease that cannot be redeemed makes its sessions lost") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kPools, StateIn(dir));
  first->PoolGives("pool1");
  CHECK(Once(*first, "Config", kS1) == "pool1:1");
  const auto scripts = first->scripts();
  first.reset();
  SessionsRig second(kPools, StateIn(dir), scripts);
  const std::string said = Once(second, "Config", kS1);
  CHECK(IsChanged(said));
  CHECK(Contains(said, "did not survive the restart of the gateway"));
  CHECK(Once(second, "Config", kS2) == "pool1:2");
}

TEST_CASE("a lease that leads to another server now makes its sessions lost") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kPools, StateIn(dir));
  first->PoolGives("pool1");
  CHECK(Once(*first, "Config", kS1) == "pool1:1");
  const auto scripts = first->scripts();
  first.reset();
  (*scripts)["pool1"].redeem = [](const std::string& lease_id, auto done) {
    done(Lease{lease_id, {.address = "pool1:1", .incarnation = "i99"}});
  };
  SessionsRig second(kPools, StateIn(dir), scripts);
  CHECK(IsChanged(Once(second, "Config", kS1)));
  CHECK((*scripts)["pool1"].seen() == std::vector<std::string>{"released pool1-1 lost"});
}

TEST_CASE("until its pool has answered, a session of before the restart is UNAVAILABLE and not lost") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kPools, StateIn(dir));
  first->PoolGives("pool1");
  CHECK(Once(*first, "Config", kS1) == "pool1:1");
  const auto scripts = first->scripts();
  first.reset();
  Completion<Result<Lease>> later;
  (*scripts)["pool1"].redeem = [&](const std::string&, auto done) { later = done; };
  SessionsRig second(kPools, StateIn(dir), scripts);
  CHECK(Once(second, "Config", kS1).starts_with("UNAVAILABLE"));
  later(Lease{"pool1-1", {.address = "pool1:1", .incarnation = "i1"}});
  second.Settle();
  CHECK(Once(second, "Config", kS1) == "pool1:1");
}

TEST_CASE("a discovered server is found again, with the token that it has now") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir));
  first->DiscoveryHas({{.address = "a:1", .incarnation = "uid-1", .token = Secret("t1")}});
  CHECK(Once(*first, "Config", kS1) == "a:1");
  const auto scripts = first->scripts();
  first.reset();
  std::vector<Endpoint> now;
  (*scripts)["discovery1"].resolve = [&](const DiscoveryCall& call) {
    CHECK(call.identity()->subject == "alice");
    return (*scripts)["discovery1"].host->MakeSnapshot(now);
  };
  SUBCASE("it is there") {
    now = {{.address = "a:1", .incarnation = "uid-1", .token = Secret("t2")}};
    SessionsRig second(kDiscovered, StateIn(dir), scripts);
    Caller caller(second, "Config", kS1);
    CHECK(caller.server() == "a:1");
    CHECK(caller.ticket().endpoint().token == Secret("t2"));
  }
  SUBCASE("another server has its address") {
    now = {{.address = "a:1", .incarnation = "uid-2"}};
    SessionsRig second(kDiscovered, StateIn(dir), scripts);
    CHECK(IsChanged(Once(second, "Config", kS1)));
  }
}

TEST_CASE("a discovered server without a token that its discovery does not know after a restart is missing, not gone") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir));
  first->DiscoveryHas({{.address = "a:1"}});
  CHECK(Once(*first, "Config", kS1) == "a:1");
  const auto scripts = first->scripts();
  first.reset();
  (*scripts)["discovery1"].resolve = [&](const DiscoveryCall&) {
    return (*scripts)["discovery1"].host->MakeSnapshot({{.address = "b:1"}});
  };
  SessionsRig second(kDiscovered, StateIn(dir), scripts);
  CHECK(Once(second, "Config", kS1) == "a:1");
}

TEST_CASE("no call goes to a server without its token after a restart") {
  TempDir dir;
  Endpoint server{.address = "a:1"};
  bool comes_back = false;
  SUBCASE("its discovery knows it again") {
    comes_back = true;
    server.token = Secret("t1");
  }
  SUBCASE("its discovery does not, and it is lost; what it wants is in a header") {
    server.headers.set = {{"x-api-key", "t1"}};
  }
  auto first = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir));
  first->DiscoveryHas({server});
  CHECK(Once(*first, "Config", kS1) == "a:1");
  const auto scripts = first->scripts();
  first.reset();
  std::atomic<bool> is_known = false;
  std::atomic<int> asked = 0;
  (*scripts)["discovery1"].resolve = [&](const DiscoveryCall&) -> DiscoveryAnswer {
    ++asked;
    if (is_known) return (*scripts)["discovery1"].host->MakeSnapshot({server});
    if (asked == 1) return Unavailable("I do not know yet");
    if (asked == 2) return Next{};
    return (*scripts)["discovery1"].host->MakeSnapshot({{.address = "b:1"}});
  };
  SessionsRig second(kDiscovered, StateIn(dir), scripts);
  const auto is_waiting = [&](const std::string& session) {
    return Once(second, "Config", session).starts_with("UNAVAILABLE: The gateway has just started and asks");
  };
  CHECK(is_waiting(kS1));
  CHECK(is_waiting(kS2));  // it is the same person's
  // As clients come again whose ExecutePlan was UNAVAILABLE.
  CHECK(Once(second, "ReattachExecute", kS2).starts_with("UNAVAILABLE: The gateway has just started and asks"));
  // Nobody says that the server is gone: its discovery may be late.
  second.Pass(50min);
  CHECK(is_waiting(kS1));
  REQUIRE(Eventually([&] { return asked >= 2; }));
  CHECK(is_waiting(kS1));
  if (comes_back) {
    is_known = true;
    CHECK(Eventually([&] { return !is_waiting(kS1); }));
    for (const auto& session : {kS1, kS2}) {
      Caller caller(second, "Config", session);
      CHECK(caller.server() == "a:1");
      CHECK(caller.ticket().endpoint().token == server.token);
      CHECK(caller.ticket().endpoint().headers == server.headers);
    }
  } else {
    second.Pass(31s);
    CHECK(Eventually([&] { return !is_waiting(kS1); }));
    const std::string said = Once(second, "Config", kS1);
    CHECK(IsChanged(said));
    CHECK(Contains(said, "so its token is not known"));
    CHECK(Once(second, "Config", kS2) == "b:1");
  }
}

TEST_CASE("a token that a server got after the first of its sessions counts after a restart") {
  TempDir dir;
  Endpoint server{.address = "a:1"};
  auto rig = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir));
  rig->DiscoveryHas({server});
  // Many, since they are restored in no order.
  for (int i = 0; i < 20; ++i)
    CHECK(Once(*rig, "Config", "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + i)) == "a:1");
  CHECK(Once(*rig, "Config", kS1) == "a:1");
  const auto scripts = rig->scripts();
  rig.reset();
  server.token = Secret("t1");
  (*scripts)["discovery1"].resolve = [&](const DiscoveryCall&) {
    return (*scripts)["discovery1"].host->MakeSnapshot({server});
  };
  rig = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir), scripts);
  REQUIRE(Eventually([&] { return Once(*rig, "Config", kS1) == "a:1"; }));
  CHECK(Once(*rig, "Config", kS2) == "a:1");
  rig.reset();
  std::atomic<int> asked = 0;
  (*scripts)["discovery1"].resolve = [&](const DiscoveryCall&) -> DiscoveryAnswer { return ++asked, Next{}; };
  rig = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir), scripts);
  REQUIRE(Eventually([&] { return asked >= 2; }));
  for (const auto& session : {kS1, kS2})
    CHECK(Once(*rig, "Config", session).starts_with("UNAVAILABLE: The gateway has just started and asks"));
}

TEST_CASE("a server with a token is lost after a restart without the discovery that knew it") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir));
  first->DiscoveryHas({{.address = "a:1", .token = Secret("t1")}});
  CHECK(Once(*first, "Config", kS1) == "a:1");
  first.reset();
  std::string content = ContentOf(dir.path() + "/sessions");
  const std::size_t at = content.find("discovery1");
  REQUIRE(at != std::string::npos);
  std::ofstream(dir.path() + "/sessions") << content.replace(at, 10, "discovery9");
  SessionsRig second(kDiscovered, StateIn(dir));
  const std::string said = Once(second, "Config", kS1);
  CHECK(IsChanged(said));
  CHECK(Contains(said, "the discovery that had its token is not configured any more"));
}

TEST_CASE("after a restart the router is asked again, with the headers that the session was made from") {
  TempDir dir;
  const auto decide = [](const RouterCall& call) -> RouterAnswer {
    if (!call.header("x-team")) return InvalidArgument("Which team?");
    return Route{.namespace_ = "ns-" + std::string(*call.header("x-team")),
                 .made_from = {"x-team"},
                 .policy = {.idle_timeout = 1min}};
  };
  auto first = std::make_unique<SessionsRig>(kRouted, StateIn(dir));
  first->DiscoveryHas({{.address = "a:1"}});
  first->script("router1").decide = decide;
  CHECK(Once(*first, "Config", kS1, {.headers = {{"x-team", "ads"}}}) == "a:1");
  const auto scripts = first->scripts();
  first.reset();
  (*scripts)["discovery1"].resolve = [](const DiscoveryCall&) { return Next{}; };
  SessionsRig second(kRouted, StateIn(dir), scripts);
  CHECK(Once(second, "Config", kS1, {.headers = {{"x-team", "ml"}}}).starts_with("INVALID_ARGUMENT: This session"));
  Caller caller(second, "Config", kS1);
  CHECK(caller.server() == "a:1");
  CHECK(caller.ticket().route().namespace_ == "ns-ads");
  caller.Finish();
  second.Pass(2min);
  CHECK(IsClosed(Once(second, "Config", kS1)));
}

TEST_CASE("what has ended stays ended after a restart") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kPools, StateIn(dir));
  first->PoolGives("pool1");
  Once(*first, "Config", kS1);
  Once(*first, "ReleaseSession", kS1);
  Once(*first, "Config", kS2);
  first->script("pool1").host->LeaseLost("pool1-2", "killed");
  first->Sweep();
  const auto scripts = first->scripts();
  first.reset();
  SessionsRig second(kPools, StateIn(dir), scripts);
  CHECK(IsClosed(Once(second, "ExecutePlan", kS1)));
  CHECK(IsChanged(Once(second, "ExecutePlan", kS2)));
  CHECK(second.sessions->List().empty());
}

TEST_CASE("a session's age goes on over a restart") {
  TempDir dir;
  const std::string state = "sessions: {max_age: 2h, idle_timeout: 24h, state: " + dir.path() + "/sessions}\n";
  auto first = std::make_unique<SessionsRig>(kDiscovered, state);
  first->DiscoveryHas({{.address = "a:1"}});
  Once(*first, "Config", kS1);
  const auto scripts = first->scripts();
  first.reset();
  (*scripts)["discovery1"].resolve = [](const DiscoveryCall&) { return Next{}; };
  SessionsRig second(kDiscovered, state, scripts);
  second.Pass(119min);
  CHECK(Once(second, "Config", kS1) == "a:1");
  second.Pass(2min);
  CHECK(IsClosed(Once(second, "Config", kS1)));
}

TEST_CASE("clones share their lease over a restart") {
  TempDir dir;
  const std::string state = "sessions: {share: session, state: " + dir.path() + "/sessions}\n";
  auto first = std::make_unique<SessionsRig>(kPools, state);
  first->PoolGives("pool1");
  Once(*first, "Config", kS1);
  {
    Caller clone(*first, "CloneSession", kS1, {.new_session_id = kS2});
    REQUIRE(clone.server() == "pool1:1");
    first->On(0, [&] { clone.ticket().BindClone(kS2); });
    clone.Finish();
  }
  const auto scripts = first->scripts();
  first.reset();
  std::atomic<int> redeemed = 0;
  (*scripts)["pool1"].redeem = [&](const std::string& lease_id, auto done) {
    ++redeemed;
    done(Lease{lease_id, {.address = "pool1:1", .incarnation = "i1"}});
  };
  SessionsRig second(kPools, state, scripts);
  CHECK(redeemed == 1);
  Once(second, "ReleaseSession", kS1);
  CHECK(Once(second, "Config", kS2) == "pool1:1");
  CHECK((*scripts)["pool1"].count("released") == 0);
  Once(second, "ReleaseSession", kS2);
  CHECK((*scripts)["pool1"].count("released pool1-1 ended") == 1);
}

TEST_CASE("a restart under load loses no session whose call was placed") {
  TempDir dir;
  auto first = std::make_unique<SessionsRig>(kDiscovered, StateIn(dir));
  std::vector<Endpoint> servers;
  for (int i = 0; i < 20; ++i) servers.push_back({.address = "s:" + std::to_string(i)});
  first->DiscoveryHas(servers);
  std::array<std::map<std::string, std::string>, 2> bound;  // by session, of each worker
  std::atomic<int> placed = 0;
  std::vector<std::thread> threads;
  for (std::size_t w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 0;; ++i) {
        const std::string id = "0000000" + std::to_string(w) + "-0000-4000-8000-" + std::to_string(100'000'000'000 + i);
        const std::string where = Once(*first, "Config", id, {.subject = "user" + std::to_string(i % 40), .worker = w});
        if (!where.starts_with("s:")) return;  // it is being stopped
        bound[w][id] = where;
        ++placed;
        placed.notify_all();
      }
    });
  }
  while (placed < 500) placed.wait(placed);
  first->sessions->Stop();
  for (auto& thread : threads) thread.join();
  const auto scripts = first->scripts();
  first.reset();
  (*scripts)["discovery1"].resolve = [](const DiscoveryCall&) { return Next{}; };
  SessionsRig second(kDiscovered, StateIn(dir), scripts);
  CHECK(second.sessions->List().size() == bound[0].size() + bound[1].size());
  for (const auto& of_worker : bound) {
    for (const auto& [id, where] : of_worker) {
      const int user = (std::stoi(id.substr(id.size() - 6))) % 40;
      REQUIRE(Once(second, "GetStatus", id, {.subject = "user" + std::to_string(user)}) == where);
    }
  }
}

TEST_CASE("there are no more tombstones than a hundred thousand, and the oldest goes first") {
  TempDir dir;
  const std::string path = dir.path() + "/sessions";
  {
    std::ofstream journal(path);
    for (int i = 0; i < 100'000; ++i) {
      journal << R"({"set":"key)" << i << R"(","until_ms":3000000000000,"value":"{\"ended\":13,\"message\":\"over\"}"})"
              << "\n";
    }
  }
  {
    SessionsRig rig(kDiscovered, StateIn(dir));
    rig.DiscoveryHas({{.address = "a:1"}});
    Once(rig, "Config", kS1);
    Once(rig, "ReleaseSession", kS1);
    CHECK(IsClosed(Once(rig, "Config", kS1)));
  }
  const std::string content = ContentOf(path);
  const auto lines_with = [&](const std::string& begin) {
    std::size_t count = 0;
    for (std::size_t at = content.find(begin); at != std::string::npos; at = content.find(begin, at + 1)) ++count;
    return count;
  };
  CHECK(lines_with("{\"remove\":\"key") == 1);
}

TEST_CASE("a second gateway with the same state refuses to start and says why") {
  TempDir dir;
  SessionsRig first(kPools, StateIn(dir));
  auto second = Sessions::Create(first.config, first.pipeline(), first.endpoints, first.services);
  REQUIRE_FALSE(second);
  CHECK(second.status().message() ==
        "sessions.state: " + dir.path() + "/sessions.lock is held by another gateway (process " +
            std::to_string(getpid()) + "). Give each its own sessions.state, or end the other.");
}

TEST_CASE("a state that is a folder has its journal inside") {
  TempDir dir;
  SessionsRig rig(kPools, "sessions: {state: " + dir.path() + "}\n");
  CHECK(std::filesystem::exists(dir.path() + "/sessions.journal"));
}

TEST_CASE("a session is touched in the store while it lives, however old its binding is") {
  TempDir dir;
  const std::string state = "sessions: {idle_timeout: 1h, max_age: 999h, state: " + dir.path() + "/sessions}\n";
  auto first = std::make_unique<SessionsRig>(kDiscovered, state);
  first->DiscoveryHas({{.address = "a:1"}});
  Once(*first, "Config", kS1);
  for (int i = 0; i < 20; ++i) {
    first->Pass(30min);
    CHECK(Once(*first, "Config", kS1) == "a:1");
  }
  const auto scripts = first->scripts();
  first.reset();
  (*scripts)["discovery1"].resolve = [](const DiscoveryCall&) { return Next{}; };
  SessionsRig second(kDiscovered, state, scripts);
  second.clock.Advance(10h);
  CHECK(Once(second, "Config", kS1) == "a:1");
}
