#include <doctest/doctest.h>
#include <sgw/plugin.h>
#include <sgw/testing.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

using namespace sgw;
using namespace sgw::testing;

namespace {

// Remembers what it was asked, and answers when the test says so.
class FakeLauncher : public Launcher {
 public:
  FakeLauncher() { last = this; }

  void Start(const Route& route, std::string id, PhaseReport phase, Completion<Result<Server>> done) override {
    started.push_back(id);
    namespaces.push_back(route.namespace_);
    phases[id] = std::move(phase);
    starts[id] = std::move(done);
  }
  void Stop(const Server& server, Completion<Status> done) override {
    stopped.push_back(server.id);
    if (starts.contains(server.id)) starts[server.id](Status(Cancelled("given up")));
    done(stop_answer);
  }
  void List(Completion<Result<std::vector<Server>>> done) override { done(listed); }
  void Gone(const std::string& id, std::string_view reason) const { ReportGone(id, reason); }

  static inline FakeLauncher* last = nullptr;
  static inline std::vector<Server> listed{};

  std::vector<std::string> started, namespaces, stopped;
  std::map<std::string, PhaseReport> phases;
  std::map<std::string, Completion<Result<Server>>> starts;
  Status stop_answer;
};

// A pool that was started.
struct Pool {
  explicit Pool(const std::string& settings)
      : plugin(host, Linked<WarmPool<FakeLauncher>, WarmPoolSettings<NoSettings>>(), settings),
        launcher(*FakeLauncher::last) {
    CHECK(plugin.created().message().empty());
    CHECK(plugin.Start().Wait().ok());
    host.RunPending();
  }

  Asked<PoolAnswer> Ask(const std::string& key, bool create = false, const std::string& name_space = "ads") {
    return plugin.Acquire(CallFrom("alice").RoutedTo(name_space), key, create);
  }
  Asked<PoolAnswer> Create(const std::string& key, const std::string& name_space = "ads") {
    const auto asked = Ask(key, true, name_space);
    host.RunPending();
    return asked;
  }
  // The start with this number, from 0, ends well.
  std::string Ready(std::size_t number) {
    const std::string id = launcher.started.at(number);
    launcher.starts.at(id)(Server{.id = id, .endpoint = {.address = "h:" + std::to_string(number)}});
    host.RunPending();
    return id;
  }
  void Fail(std::size_t number, Status why) {
    launcher.starts.at(launcher.started.at(number))(std::move(why));
    host.RunPending();
  }
  std::int64_t Shown(const std::string& name) const {
    return Json::Parse(plugin.Describe())->Integer("/pools/0/" + name, -1);
  }

  TestHost host;
  PluginUnderTest plugin;
  FakeLauncher& launcher;
};

std::string LeaseOf(const Asked<PoolAnswer>& asked) {
  const PoolAnswer answer = asked.now();
  REQUIRE(answer.get<Lease>());
  return answer.get<Lease>()->id;
}

}  // namespace

TEST_CASE("a warm server is handed out in line and replaced at once") {
  Pool pool(R"({"size": 2, "namespaces": ["ads"]})");
  CHECK(pool.launcher.namespaces == std::vector<std::string>{"ads", "ads"});
  pool.Ready(0);
  pool.Ready(1);

  const auto asked = pool.Ask("k");
  CHECK(asked.now().get<Lease>()->endpoint.address == "h:0");
  pool.host.RunPending();
  CHECK(pool.launcher.started.size() == 3);
  CHECK(pool.Shown("warm") == 1);
  CHECK(pool.Shown("leased") == 1);
  CHECK(pool.Shown("starting") == 1);
  CHECK(pool.Shown("target") == 2);
  CHECK(pool.host.Metric("spark_gateway_pool_servers", {{"state", "leased"}}) == 1);
}

TEST_CASE("a warm server is handed out in well under a millisecond") {
  constexpr int kServers = 200;
  Pool pool(R"({"size": 200, "max_size": 1000, "max_starts": 1000, "namespaces": ["ads"]})");
  for (int i = 0; i < kServers; ++i) pool.Ready(i);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < kServers; ++i) CHECK(pool.Ask(std::to_string(i)).now().get<Lease>());
  CHECK((std::chrono::steady_clock::now() - begun) / kServers < 1ms);
}

TEST_CASE("a namespace that is not listed is warm from its first question until nobody asks any more") {
  Pool pool(R"({"idle_timeout": 60000})");
  CHECK(pool.launcher.started.empty());
  CHECK(pool.Ask("k", false, "ml").now().is_next());
  pool.host.RunPending();
  const std::string id = pool.Ready(0);
  pool.host.Advance(30s);
  CHECK(pool.Shown("warm") == 1);
  pool.host.Advance(31s);
  CHECK(pool.launcher.stopped == std::vector<std::string>{id});
  CHECK(pool.plugin.Describe() == R"({"pools":[]})");
}

TEST_CASE("who may create waits, hears the phases, and is served in the order of asking") {
  Pool pool(R"({"size": 0})");
  CHECK(pool.Ask("a").now().is_next());
  const auto first = pool.Create("a");
  const auto second = pool.Create("b");
  CHECK(pool.launcher.started.size() == 2);
  pool.launcher.phases[pool.launcher.started[0]]("pulling image");
  CHECK(first.phases() == std::vector<std::string>{"pulling image"});
  CHECK(second.phases().empty());

  pool.Ready(1);
  CHECK(first.is_answered());
  CHECK_FALSE(second.is_answered());
  pool.Ready(0);
  CHECK(LeaseOf(first) != LeaseOf(second));
}

TEST_CASE("questions of one key wait for one server and get one lease") {
  Pool pool(R"({"size": 0})");
  const auto first = pool.Create("k");
  pool.launcher.phases[pool.launcher.started[0]]("on its way");
  const auto second = pool.Create("k");
  CHECK(second.phases() == std::vector<std::string>{"on its way"});
  CHECK(pool.launcher.started.size() == 1);
  pool.Ready(0);
  CHECK(LeaseOf(first) == LeaseOf(second));
  CHECK(LeaseOf(pool.Ask("k")) == LeaseOf(first));
}

TEST_CASE("a start that fails tells those who wait, and the pauses grow") {
  Pool pool(R"({"size": 1, "namespaces": ["ads"], "retry_min": 1000, "retry_max": 4000})");
  const auto asked = pool.Create("k");
  pool.Fail(1, FailedPrecondition("no image"));
  CHECK_FALSE(pool.launcher.started.size() > 2);
  pool.Fail(0, FailedPrecondition("no image"));
  CHECK(asked.now().status() == FailedPrecondition("no image"));
  CHECK(pool.Shown("failures") == 2);
  CHECK(pool.launcher.stopped.size() == 2);  // What they may have left.

  std::size_t starts = 2;
  for (const Duration pause : {2000ms, 4000ms, 4000ms}) {
    pool.host.Advance(pause - 1ms);
    CHECK(pool.launcher.started.size() == starts);
    pool.host.Advance(1ms);
    REQUIRE(pool.launcher.started.size() == starts + 1);
    pool.Fail(starts++, Unavailable("still none"));
  }
  pool.host.Advance(4s);
  pool.Ready(starts);
  CHECK(pool.Shown("failures") == 0);
  CHECK(pool.host.Metric("spark_gateway_pool_failures_total") == 5);
}

TEST_CASE("a start that takes too long is given up") {
  Pool pool(R"({"size": 0, "start_timeout": 5000})");
  const auto asked = pool.Create("k");
  pool.launcher.phases[pool.launcher.started[0]]("pulling image");
  pool.host.Advance(5s);
  CHECK(asked.now().status().message() == "The server was not ready after 5 s (pulling image).");
  CHECK(pool.launcher.stopped == pool.launcher.started);
}

TEST_CASE("a server that was used is stopped when it is released, until that holds") {
  Pool pool(R"({"size": 0})");
  const auto asked = pool.Create("k");
  const std::string id = pool.Ready(0);
  pool.launcher.stop_answer = Unavailable("busy");
  pool.plugin.Release(LeaseOf(asked), LeaseOutcome::kEnded);
  pool.host.RunPending();
  pool.host.Advance(1s);
  CHECK(pool.launcher.stopped == std::vector<std::string>{id, id});
  pool.launcher.stop_answer = Status();
  pool.host.Advance(1min);
  CHECK(pool.launcher.stopped.size() == 3);
  CHECK(pool.host.Logged("cannot be stopped yet: busy") == 1);
}

TEST_CASE("a server that nobody came for is warm again, under a new lease") {
  Pool pool(R"({"size": 1, "max_size": 1, "namespaces": ["ads"]})");
  pool.Ready(0);
  const std::string first = LeaseOf(pool.Ask("a"));
  pool.plugin.Release(first, LeaseOutcome::kUnclaimed);
  pool.host.RunPending();
  CHECK(pool.launcher.stopped.empty());
  CHECK(LeaseOf(pool.Ask("b")) != first);
  pool.plugin.Release(first, LeaseOutcome::kEnded);  // Says nothing about b's.
  pool.host.RunPending();
  CHECK(pool.launcher.stopped.empty());
}

TEST_CASE("a question that is given up leaves its server to the others") {
  Pool pool(R"({"size": 0})");
  const auto gone = pool.Create("a");
  gone.Cancel();
  pool.host.RunPending();
  const auto next = pool.Create("b");
  CHECK(pool.launcher.started.size() == 1);
  pool.Ready(0);
  CHECK(gone.now().status().code() == StatusCode::kCancelled);
  CHECK(next.is_answered());

  const auto last = pool.Create("c");
  last.Cancel();
  const std::string id = pool.Ready(1);
  CHECK(pool.launcher.stopped == std::vector<std::string>{id});
}

TEST_CASE("a leased server that is gone is a lost lease, a warm one is replaced after a pause") {
  Pool pool(R"({"size": 1, "namespaces": ["ads"]})");
  const std::string leased = pool.Ready(0);
  const std::string lease = LeaseOf(pool.Ask("k"));
  pool.host.RunPending();
  const std::string warm = pool.Ready(1);

  pool.launcher.Gone(leased, "killed, out of memory");
  CHECK(pool.host.lost_leases() == StringMap{{lease, "killed, out of memory"}});
  pool.plugin.Release(lease, LeaseOutcome::kLost);
  pool.launcher.Gone(warm, "evicted");
  pool.launcher.Gone("nobody", "x");
  pool.host.RunPending();
  CHECK(pool.Ask("l").now().is_next());
  CHECK(pool.launcher.started.size() == 2);
  pool.host.Advance(1s);
  CHECK(pool.launcher.started.size() == 3);
}

TEST_CASE("warm servers age, leased ones do not") {
  Pool pool(R"({"size": 1, "namespaces": ["ads"], "max_age": 60000})");
  pool.Ready(0);
  LeaseOf(pool.Ask("k"));
  pool.host.RunPending();
  const std::string warm = pool.Ready(1);
  pool.host.Advance(1min);
  CHECK(pool.launcher.stopped == std::vector<std::string>{warm});
  CHECK(pool.launcher.started.size() == 3);
}

TEST_CASE("max_size holds, and a warm server of others goes for who waits") {
  Pool pool(R"({"size": 1, "max_size": 2, "namespaces": ["ads"]})");
  const std::string warm = pool.Ready(0);
  const auto first = pool.Create("a", "ml");
  pool.Ready(1);
  CHECK(first.is_answered());
  const auto second = pool.Create("b", "ml");
  CHECK(pool.launcher.stopped == std::vector<std::string>{warm});
  pool.Ready(2);
  CHECK(second.is_answered());
  CHECK(pool.Create("c").now().status().code() == StatusCode::kResourceExhausted);
  CHECK(pool.launcher.started.size() == 3);
}

TEST_CASE("no more than max_starts servers start at once") {
  Pool pool(R"({"size": 3, "max_starts": 1, "namespaces": ["ads"]})");
  CHECK(pool.launcher.started.size() == 1);
  pool.Ready(0);
  CHECK(pool.launcher.started.size() == 2);
}

TEST_CASE("servers of an earlier process wait for their leases, and the rest is stopped") {
  FakeLauncher::listed = {{.id = "old-1", .endpoint = {.address = "h:1"}},
                          {.id = "old-2", .endpoint = {.address = "h:2"}}};
  Pool pool(R"({"adopt_timeout": 10000})");
  FakeLauncher::listed = {};
  const PoolAnswer redeemed = pool.plugin.Redeem("old-1.3").Wait();
  REQUIRE(redeemed.get<Lease>());
  CHECK(*redeemed.get<Lease>() == Lease{.id = "old-1.3", .endpoint = {.address = "h:1"}});
  CHECK(pool.plugin.Redeem("old-1.2").Wait().status().code() == StatusCode::kNotFound);
  CHECK(pool.plugin.Redeem("old-9.1").Wait().status().code() == StatusCode::kNotFound);
  pool.host.Advance(10s);
  CHECK(pool.launcher.stopped == std::vector<std::string>{"old-2"});
  CHECK(pool.plugin.Redeem("old-2.1").Wait().status().code() == StatusCode::kNotFound);
  pool.plugin.Release("old-1.3", LeaseOutcome::kEnded);
  pool.host.RunPending();
  CHECK(pool.launcher.stopped.back() == "old-1");
}

TEST_CASE("the end of a pool stops every server and answers who waits, but waits for no server for ever") {
  Pool pool(R"({"size": 1, "namespaces": ["ads"], "stop_timeout": 5000})");
  pool.Ready(0);
  LeaseOf(pool.Ask("k"));
  pool.host.RunPending();
  const auto waiting = pool.Create("l");
  pool.launcher.stop_answer = Unavailable("busy");
  CHECK(pool.plugin.Quiesce().Wait().ok());
  const auto stopped = pool.plugin.Stop();
  pool.host.RunPending();
  CHECK(pool.launcher.stopped.size() == 3);
  CHECK(waiting.now().status().code() == StatusCode::kUnavailable);
  CHECK_FALSE(stopped.is_answered());
  pool.host.Advance(5s);
  CHECK(stopped.now().ok());
  CHECK(pool.Ask("m").now().status().code() == StatusCode::kUnavailable);
}
