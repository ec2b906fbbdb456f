#include "core/session/limits.h"

#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

const Identity kAlice{.subject = "alice"};
const Identity kBob{.subject = "bob"};

struct Counting {
  Allowance For(const Identity& who, const Policy& policy) { return limits.For(who, policy); }
  std::shared_ptr<const Allowance> Shared(const Identity& who, const Policy& policy) {
    return std::make_shared<const Allowance>(limits.For(who, policy));
  }
  // How many calls are allowed now.
  int Calls(const Identity& who, const Policy& policy) {
    const Allowance allowance = limits.For(who, policy);
    int count = 0;
    while (allowance.CountCall(now).ok()) ++count;
    return count;
  }

  MetricsRegistry metrics;
  Limits limits{metrics, 1'000};
  SteadyTime now{1000h};
};

Policy Team(const Limit& limit) { return {.limits = {limit}}; }

// Every new Route has this policy.
void Give(SessionsRig& rig, const Policy& policy) {
  rig.script("router1").decide = [policy](const RouterCall&) { return Route{.policy = policy}; };
}

bool IsRefused(const std::string& said, const std::string& why = "") {
  return said.starts_with("RESOURCE_EXHAUSTED: " + why);
}

struct Routed : SessionsRig {
  explicit Routed(const Policy& policy, const std::string& more = "") : SessionsRig(kRouted, more) {
    DiscoveryHas({{.address = "a:1"}});
    Give(*this, policy);
  }
};

}  // namespace

TEST_CASE("calls per second refill with time and never pile up over the burst") {
  Counting counting;
  CHECK(counting.Calls(kAlice, {.calls_per_second = 3}) == 3);
  counting.now += 1s;
  CHECK(counting.Calls(kAlice, {.calls_per_second = 3}) == 3);
  counting.now += 1h;
  CHECK(counting.Calls(kAlice, {.calls_per_second = 3}) == 3);
  counting.now += 400ms;
  CHECK(counting.Calls(kAlice, {.calls_per_second = 3}) == 1);
  CHECK(counting.Calls(kBob, {.calls_per_second = 3, .burst = 10}) == 10);
  counting.now += 1s;
  CHECK(counting.Calls(kBob, {.calls_per_second = 3, .burst = 10}) == 3);
  CHECK(counting.Calls(kBob, {.calls_per_second = 0}) == 0);
}

TEST_CASE("who calls too often hears when the next call may come") {
  Counting counting;
  const Policy policy{.calls_per_second = 2, .burst = 1};
  CHECK(counting.Calls(kAlice, policy) == 1);
  const Status refused = counting.For(kAlice, policy).CountCall(counting.now);
  CHECK(refused.retry_delay() == 500ms);
  CHECK(refused.message() == "You make more calls than you may: 2 calls a second. Wait a moment between them.");
  counting.now += 499ms;
  CHECK(counting.For(kAlice, policy).CountCall(counting.now).retry_delay() == 100ms);
  counting.now += 1ms;
  CHECK(counting.Calls(kAlice, policy) == 1);
}

TEST_CASE("a shared limit counts everybody whose Route names it, and what one limit refuses no other counts") {
  Counting counting;
  Policy both = Team({.name = "team ads", .max_sessions = 2, .calls_per_second = 5});
  both.calls_per_second = 2;
  both.max_sessions = 1;
  CHECK(counting.Calls(kAlice, both) == 2);
  CHECK(counting.Calls(kBob, both) == 2);
  CHECK(counting.Calls({.subject = "carol"}, both) == 1);
  CHECK(counting.For({.subject = "carol"}, both).CountCall(counting.now).message() ==
        "The limit of team ads is reached: 5 calls a second, of all together. Wait a moment, then run this again.");

  std::array<Hold, 4> holds;
  const auto take = [&](std::size_t i, const Identity& who) {
    return Allowance::Take(counting.Shared(who, both), Limited::kSessions, holds[i]);
  };
  CHECK(take(0, kAlice).ok());
  CHECK(take(1, kAlice).message() ==
        "You have as many as you may have: 1 session at a time. End one with spark.stop(), then run this again.");
  CHECK(take(1, kBob).ok());
  CHECK(take(2, {.subject = "carol"}).message() ==
        "The limit of team ads is reached: 2 sessions at a time, of all together. When one of them has ended, run this "
        "again.");
  holds[0].Release();
  CHECK(take(2, {.subject = "carol"}).ok());
  CHECK(take(3, {.subject = "carol", .realm = "other"}).message().starts_with("The limit of team ads"));
}

TEST_CASE("limits of one name in one Route are one limit, which allows what each of them does, and counts once") {
  Counting counting;
  const Policy policy{.limits = {{.name = "team ads", .max_sessions = 2, .calls_per_second = 4},
                                 {.name = "team ads", .max_sessions = 3, .max_operations = 1},
                                 {.name = "team ads", .calls_per_second = 9, .burst = 2}}};
  std::array<Hold, 3> holds;
  CHECK(Allowance::Take(counting.Shared(kAlice, policy), Limited::kSessions, holds[0]).ok());
  CHECK(Allowance::Take(counting.Shared(kBob, policy), Limited::kSessions, holds[1]).ok());
  CHECK(Allowance::Take(counting.Shared(kBob, policy), Limited::kSessions, holds[2])
            .message()
            .starts_with("The limit of team ads is reached: 2 sessions at a time"));
  CHECK(Allowance::Take(counting.Shared(kAlice, policy), Limited::kOperations, holds[2]).ok());
  CHECK_FALSE(counting.For(kBob, policy).Check(Limited::kOperations).ok());
  CHECK(counting.Calls(kAlice, policy) == 2);
  counting.now += 500ms;
  CHECK(counting.Calls(kBob, policy) == 2);
  for (Hold& hold : holds) hold.Release();
  counting.limits.Sweep(counting.now + 1s);
  CHECK(counting.limits.size() == 0);
}

TEST_CASE("what has nothing is forgotten, and what counts is not") {
  Counting counting;
  Hold hold = Allowance::Add(counting.Shared(kAlice, {}), Limited::kOperations);
  CHECK(counting.Calls(kBob, Team({.name = "team ads", .calls_per_second = 10})) == 10);
  CHECK(counting.limits.size() == 3);
  counting.limits.Sweep(counting.now + 500ms);
  CHECK(counting.limits.size() == 2);
  counting.limits.Sweep(counting.now + 1s);
  CHECK(counting.limits.size() == 1);
  CHECK_FALSE(counting.For(kAlice, {.max_operations = 1}).Check(Limited::kOperations).ok());
  hold.Release();
  counting.limits.Sweep(counting.now);
  CHECK(counting.limits.size() == 0);
}

TEST_CASE("several threads together never have more than may be, and give all of it back") {
  Counting counting;
  const Policy policy = Team({.name = "team ads", .max_operations = 3, .calls_per_second = 100});
  std::atomic<int> running = 0;
  std::atomic<int> calls = 0;
  std::atomic<bool> is_over{false};
  const auto work = [&](const Identity& who) {
    for (int i = 0; i < 2'000; ++i) {
      const auto allowance = counting.Shared(who, policy);
      if (allowance->CountCall(counting.now).ok()) ++calls;
      Hold hold;
      if (!Allowance::Take(allowance, Limited::kOperations, hold).ok()) continue;
      CHECK(++running <= 3);
      --running;
    }
  };
  std::thread sweeper([&] {
    while (!is_over) counting.limits.Sweep(counting.now);
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) threads.emplace_back([&, i] { work({.subject = "user" + std::to_string(i)}); });
  for (std::thread& thread : threads) thread.join();
  is_over = true;
  sweeper.join();
  CHECK(calls == 100);
  counting.limits.Sweep(counting.now + 1s);
  CHECK(counting.limits.size() == 0);
}

TEST_CASE("a session of a Route counts until it ends, whoever ends it") {
  Routed rig(Team({.name = "team ads", .max_sessions = 1}));
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(IsRefused(Once(rig, "Config", kS2, {.subject = "bob"}), "The limit of team ads is reached: 1 session"));
  SUBCASE("its client") { CHECK(Once(rig, "ReleaseSession", kS1) == "a:1"); }
  SUBCASE("an operator") { CHECK(rig.sessions->End({kS1}).ok()); }
  SUBCASE("time") { rig.Pass(2h); }
  SUBCASE("its server's loss") {
    rig.script("discovery1").host->EndpointGone("a:1", "", "killed");
    rig.Sweep();
  }
  CHECK(Once(rig, "Config", kS2, {.subject = "bob"}) == "a:1");
  const auto snapshot = rig.metrics.Snapshot();
  for (const FamilySnapshot& family : snapshot) {
    if (family.name != "spark_gateway_limit_refusals_total") continue;
    for (const SeriesSnapshot& series : family.series) {
      CHECK(series.value == (series.label_values == std::vector<std::string>{"sessions", "shared"} ? 1 : 0));
    }
  }
}

TEST_CASE("first calls of one session that come together count as one session") {
  SessionsRig rig("  - auth: auth1\n  - router: router1\n  - hot-pool: pool2\n    create: true\n");
  Give(rig, {.max_sessions = 1});
  rig.PoolWaits("pool2");
  Caller one(rig, "Config", kS1);
  Caller two(rig, "ExecutePlan", kS1, {.worker = 1});
  Caller other(rig, "Config", kS2);
  rig.later(Lease{"made-1", {.address = "m:1"}});
  int refused = 0;
  for (Caller* caller : {&one, &two, &other}) refused += IsRefused(caller->server()) ? 1 : 0;
  CHECK(one.server() == two.server());
  CHECK(refused == (other.server() == "m:1" ? 2 : 1));
  CHECK(rig.sessions->List().size() == 1);
}

TEST_CASE("an operation counts until it has ended, and a call that dies before has begun none") {
  Routed rig({.max_operations = 1});
  const auto is_free = [&](const CallOptions& options = {.operation_id = kS2}) {
    return Once(rig, "ExecutePlan", kS1, options) == "a:1";
  };
  Caller running(rig, "ExecutePlan", kS1, {.operation_id = kOp});
  CHECK(running.server() == "a:1");
  Caller refused(rig, "ExecutePlan", kS1, {.operation_id = kS2});
  CHECK(IsRefused(refused.server(), "You have as many as you may have: 1 running operation at a time."));
  // Its record says where its session lives.
  CHECK(refused.context().route->namespace_ == running.context().route->namespace_);
  REQUIRE(refused.context().home);
  CHECK(refused.context().home->address == "a:1");
  CHECK(Once(rig, "Config", kS1) == "a:1");
  SUBCASE("complete") {
    running.Finish();
    CHECK(is_free());
  }
  SUBCASE("failed") {
    running.Finish(StatusCode::kInternal, false);
    CHECK(is_free());
  }
  SUBCASE("never sent") {
    running.End({.code = StatusCode::kUnavailable, .was_sent = false});
    CHECK(is_free());
  }
  SUBCASE("left, and running on for as long as somebody may come back") {
    running.Drop();
    CHECK_FALSE(is_free());
    Caller again(rig, "ReattachExecute", kS1, {.operation_id = kOp});
    CHECK(again.server() == "a:1");
    CHECK_FALSE(is_free());
    again.Drop();
    rig.Pass(11min);
    CHECK(is_free());
  }
  SUBCASE("released") {
    running.Drop();
    CHECK(Once(rig, "ReleaseExecute", kS1, {.operation_id = kOp, .is_release_all = true}) == "a:1");
    CHECK(is_free());
  }
  SUBCASE("without a name, as old clients send it") {
    running.Finish();
    Caller nameless(rig, "ExecutePlan", kS1, {.is_reattachable = false});
    CHECK(nameless.server() == "a:1");
    CHECK_FALSE(is_free());
    nameless.Drop();
    CHECK(is_free({.is_reattachable = false}));
  }
  SUBCASE("with its session") {
    CHECK(rig.sessions->End({kS1}).ok());
    CHECK(running.cut().code() == StatusCode::kInternal);
    CHECK(Once(rig, "ExecutePlan", kS2) == "a:1");
  }
}

TEST_CASE("a clone counts as a session from its call on, and not when its driver made none") {
  Routed rig(Team({.name = "team ads", .max_sessions = 2}));
  CHECK(Once(rig, "Config", kS1) == "a:1");
  {
    Caller clone(rig, "CloneSession", kS1, {.new_session_id = kS2});
    CHECK(clone.server() == "a:1");
    CHECK(IsRefused(Once(rig, "Config", kS3)));
    SUBCASE("made") {
      rig.On(0, [&] { clone.ticket().BindClone(kS2); });
      clone.Finish();
      CHECK(rig.sessions->List().size() == 2);
      CHECK(IsRefused(Once(rig, "Config", kS3)));
      CHECK(Once(rig, "ReleaseSession", kS2) == "a:1");
    }
    SUBCASE("refused by the driver") { clone.Finish(StatusCode::kInvalidArgument, false); }
    SUBCASE("given up") { clone.Drop(); }
  }
  CHECK(Once(rig, "Config", kS3) == "a:1");
}

TEST_CASE("releases, interrupts and error details are free, whatever the rate") {
  Routed rig({.calls_per_second = 1, .burst = 2});
  CHECK(Once(rig, "Config", kS1) == "a:1");
  CHECK(Once(rig, "ReattachExecute", kS1) == "a:1");
  Caller refused(rig, "AnalyzePlan", kS1);
  CHECK(IsRefused(refused.server(), "You make more calls than you may: 1 call a second."));
  CHECK(refused.context().refused_by == "limits");
  for (const char* method : {"ReleaseExecute", "Interrupt", "FetchErrorDetails", "ReleaseSession"}) {
    CHECK_MESSAGE(Once(rig, method, kS1) == "a:1", method);
  }
  // No server is taken for a call that is too much, nor is a session bound.
  CHECK(IsRefused(Once(rig, "Config", kS2)));
  CHECK(rig.sessions->List().empty());
}

TEST_CASE("the limits of a session follow its Route, and what it has is counted by the new ones") {
  Routed rig(Team({.name = "team old", .max_sessions = 1}));
  CHECK(Once(rig, "Config", kS1) == "a:1");
  Give(rig, Team({.name = "team new", .max_sessions = 1}));
  CHECK(Once(rig, "Config", kS1, {.groups = {"new"}}) == "a:1");
  CHECK(IsRefused(Once(rig, "Config", kS2), "The limit of team new"));
  Give(rig, Team({.name = "team old", .max_sessions = 1}));
  CHECK(Once(rig, "Config", kS2) == "a:1");
}

TEST_CASE("sessions that live on after a restart count against the limits that they were made with") {
  TempDir folder;
  const std::string more = "sessions: {state: " + folder.path() + "/sessions}\n";
  const Policy policy = Team({.name = "team ads", .max_sessions = 1});
  { CHECK(Once(*std::make_unique<Routed>(policy, more), "Config", kS1) == "a:1"); }
  Routed rig(policy, more);
  REQUIRE(rig.sessions->List().size() == 1);
  CHECK(IsRefused(Once(rig, "Config", kS2, {.subject = "bob"}), "The limit of team ads"));
  CHECK(rig.sessions->End({kS1}).ok());
  CHECK(Once(rig, "Config", kS2, {.subject = "bob"}) == "a:1");
}
