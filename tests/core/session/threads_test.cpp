#include <random>
#include <set>

#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

// Gives servers and sees to it that nobody has two, and each comes back once.
class CountingPool {
 public:
  PoolAnswer Give() {
    const std::lock_guard lock(mutex_);
    const std::string id = "lease-" + std::to_string(++next_);
    out_.insert(id);
    return Lease{id, {.address = "s:" + std::to_string(next_), .incarnation = id}};
  }
  std::string Any() {
    const std::lock_guard lock(mutex_);
    return out_.empty() ? "" : *out_.begin();
  }
  int given() const { return next_; }

 private:
  std::mutex mutex_;
  std::set<std::string> out_;
  int next_ = 0;
};

}  // namespace

TEST_CASE("calls, releases, losses and the sweep on several threads never lease a server twice or to nobody") {
  SessionsRig rig(kPools, "sessions: {share: session, idle_timeout: 1s}\n");
  CountingPool pool;
  std::vector<std::thread> later;
  std::mutex later_mutex;
  rig.script("pool1").acquire = [&](const PoolCall& call) -> PoolAnswer {
    if (std::hash<std::string_view>()(call.key()) % 2 == 0) return pool.Give();
    auto [pending, done] = call.Defer<PoolAnswer>();
    const std::lock_guard lock(later_mutex);
    later.emplace_back([&pool, done = std::move(done)] { done(pool.Give()); });
    return pending;
  };
  rig.Sweep();
  constexpr int kCalls = 150;
  std::atomic<int> made = 0;
  std::thread breaker([&] {
    std::mt19937 random(7);
    for (int seen = 0; seen < 2 * kCalls; seen = made) {
      made.wait(seen);
      rig.script("pool1").host->LeaseLost("lease-" + std::to_string(random() % 200), "killed");
      rig.clock.Advance(20ms);
      rig.sessions->List();
      rig.metrics.Snapshot();
    }
  });
  const auto calls = [&](std::size_t worker, unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < kCalls; ++i) {
      ++made;
      made.notify_all();
      // Few sessions, so that the threads meet; ended ones leave their place to new ones.
      const std::string session =
          "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + i / 3 * 4 + random() % 4);
      Caller caller(rig, "Config", session, {.worker = worker});
      if (random() % 5 == 0) continue;  // leaves at once
      const std::string server = caller.server();
      if (random() % 3 == 0) Once(rig, "ReleaseSession", session, {.worker = worker});
      if (random() % 2 == 0) caller.Finish();
    }
  };
  std::thread one(calls, 0, 1);
  std::thread two(calls, 1, 2);
  one.join();
  two.join();
  breaker.join();
  for (auto& thread : later) thread.join();
  rig.Settle();
  // Everything ends: idle sessions, unclaimed servers.
  for (int i = 0; i < 3; ++i) rig.Pass(5min);
  CHECK(rig.sessions->List().empty());
  std::map<std::string, int> released;
  for (const std::string& what : rig.script("pool1").seen()) {
    ++released[what.substr(0, what.rfind(' '))];
  }
  CHECK(static_cast<int>(released.size()) == pool.given());
  for (const auto& lease : released) CHECK_MESSAGE(lease.second == 1, lease.first);
}

TEST_CASE("many first calls of one session on two workers are all bound to one server") {
  SessionsRig rig(kDiscovered);
  std::vector<Endpoint> servers;
  for (int i = 0; i < 50; ++i) servers.push_back({.address = "s:" + std::to_string(i)});
  rig.DiscoveryHas(servers);
  for (int round = 0; round < 40; ++round) {
    const std::string session = "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + round);
    const std::string subject = "user" + std::to_string(round);
    std::array<std::string, 2> where;
    std::vector<std::thread> threads;
    for (std::size_t w = 0; w < 2; ++w) {
      threads.emplace_back([&, w] { where[w] = Once(rig, "Config", session, {.subject = subject, .worker = w}); });
    }
    for (auto& thread : threads) thread.join();
    CHECK(where[0] == where[1]);
    CHECK(where[0].starts_with("s:"));
  }
}
