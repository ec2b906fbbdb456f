// The kinds that have no stock plugin to try the harness on.
#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <map>
#include <string>
#include <vector>

using namespace sgw;
using namespace sgw::testing;

namespace {

class FakePool : public HotPool {
 public:
  PoolAnswer Acquire(const PoolCall& call) override {
    if (!call.create()) return Next{};
    call.phase("asking");
    auto [pending, done] = call.Defer();
    promised.push_back({done, call.phase, std::string(call.key()), call.route().attribute("size", "m")});
    return pending;
  }
  void Release(std::string_view lease_id, LeaseOutcome outcome) override {
    released.emplace_back(std::string(lease_id), outcome);
  }
  void Redeem(std::string lease_id, Completion<Result<Lease>> done) override {
    if (lease_id != "l1") return done(NotFound("gone"));
    done(Lease{lease_id, {.address = "d:1", .token = Secret("t")}});
  }

  struct Promise {
    Completion<PoolAnswer> done;
    PhaseReport phase;
    std::string key;
    std::string size;
  };
  static inline std::vector<Promise> promised;
  static inline std::vector<std::pair<std::string, LeaseOutcome>> released;
};

class Finder : public Discovery {
 public:
  explicit Finder(Host& host) : snapshot_(host.MakeSnapshot({{.address = "d:1", .incarnation = "i", .weight = 3}})) {}
  DiscoveryAnswer Resolve(const DiscoveryCall& call) override {
    if (call.route().namespace_ == "broken") return EndpointSnapshot();
    if (!call.identity()) return Next{};
    return snapshot_;
  }

 private:
  EndpointSnapshot snapshot_;
};

class Teams : public Router {
 public:
  RouterAnswer Decide(const RouterCall& call) override {
    return Route{.namespace_ = "sjns-" + call.identity().groups.at(0),
                 .made_from = {"x-spark-team"},
                 .policy = {.share = Share::kTeam, .idle_timeout = 5min}};
  }
};

}  // namespace

TEST_CASE("a pool's promises, phases, leases and outcomes pass both ways") {
  TestHost host;
  PluginUnderTest pool(host, Linked<FakePool>());
  const FakeCall call = CallFrom("alice").RoutedTo({.namespace_ = "n", .attributes = {{"size", "xl"}}});
  CHECK(pool.Acquire(call, "k").now().is_next());

  const auto asked = pool.Acquire(call, "k", true);
  const auto promise = FakePool::promised.at(0);
  FakePool::promised.clear();
  promise.phase("pulling image");
  CHECK(asked.phases() == std::vector<std::string>{"asking", "pulling image"});
  CHECK(promise.key == "k");
  CHECK(promise.size == "xl");
  promise.done(Lease{"l1", {.address = "d:1"}});
  CHECK(asked.now().get<Lease>()->id == "l1");

  pool.Release("l1", LeaseOutcome::kLost);
  CHECK(FakePool::released.at(0).second == LeaseOutcome::kLost);
  CHECK(pool.Redeem("l1").now().get<Lease>()->endpoint.token == Secret("t"));
  CHECK(pool.Redeem("l2").now().status().code() == StatusCode::kNotFound);
}

TEST_CASE("a lease that cannot be used is no answer") {
  TestHost host;
  PluginUnderTest pool(host, Linked<FakePool>());
  for (const Lease& bad :
       {Lease{"", {.address = "d:1"}}, Lease{std::string(257, 'x'), {.address = "d:1"}}, Lease{"l", {}}}) {
    const auto asked = pool.Acquire(CallFrom("a"), "k", true);
    FakePool::promised.at(0).done(bad);
    FakePool::promised.clear();
    CHECK(asked.now().status().code() == StatusCode::kInternal);
  }
}

TEST_CASE("a discovery's snapshot is read out, and one that the host did not make is no answer") {
  TestHost host;
  {
    PluginUnderTest finder(host, Linked<Finder>());
    const DiscoveryReply found = finder.Resolve(CallFrom("alice")).now();
    REQUIRE(found.get<std::vector<Endpoint>>());
    CHECK(found.get<std::vector<Endpoint>>()->at(0).weight == 3);
    CHECK(finder.Resolve(AnyCall()).now().is_next());
    CHECK(finder.Resolve(AnyCall().RoutedTo("broken")).now().status().code() == StatusCode::kInternal);
  }
  CHECK(host.live_snapshots() == 0);
}

TEST_CASE("a route keeps everything on its way") {
  TestHost host;
  PluginUnderTest router(host, Linked<Teams>());
  const RouterAnswer said = router.Decide(CallFrom("alice").Groups({"ads"})).now();
  CHECK(*said.get<Route>() == Route{.namespace_ = "sjns-ads",
                                    .made_from = {"x-spark-team"},
                                    .policy = {.share = Share::kTeam, .idle_timeout = 5min}});
  // The router takes a group for granted, and the door holds.
  CHECK(router.Decide(CallFrom("bob")).now().status().code() == StatusCode::kInternal);
}

TEST_CASE("asking a plugin of another kind is the test's mistake") {
  TestHost host;
  PluginUnderTest router(host, Linked<Teams>());
  CHECK_THROWS_AS(static_cast<void>(router.Authenticate(AnyCall())), std::logic_error);
}
