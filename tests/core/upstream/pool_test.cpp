#include "core/upstream/pool.h"

#include <list>

#include "tests/core/upstream/pool_rig.h"

namespace sgw::core::testing {
namespace {

constexpr std::uint16_t kMaxStreams = 3;  // SETTINGS_MAX_CONCURRENT_STREAMS

void AllowStreams(RawLink& link, std::uint32_t count) { link.Setting(kMaxStreams, count); }

TEST_CASE("a connection opens when a call needs one, and all calls of its worker share it") {
  Caller a, b, elsewhere;
  RawDriver driver({});
  PoolRig rig({}, Clock::Real(), 2);
  CHECK(driver.links.empty());
  REQUIRE(rig.Get(a, driver.address).ok());
  REQUIRE(rig.Get(b, driver.address).ok());
  CHECK(a.connection == b.connection);
  REQUIRE(rig.Get(elsewhere, driver.address, 1).ok());
  REQUIRE(driver.WaitFor([&] { return driver.Count(RawFrame::kHeaders) == 3; }));
  CHECK(driver.links.size() == 2);
  CHECK(rig.Sees(driver.address, [](const EndpointView& view) { return view.streams == 3 && view.connections == 2; }));
  CHECK(rig.View(driver.address).state == "connected");
  rig.End(a);
  CHECK(rig.Sees(driver.address, [](const EndpointView& view) { return view.streams == 2; }));
}

TEST_CASE("calls that come while a connection opens wait for it, and whoever leaves hears nothing") {
  Caller stays, leaves;
  RawDriver driver({.on_open = [](RawLink&) {}});
  PoolRig rig;
  rig.Ask(leaves, driver.address);
  rig.Ask(stays, driver.address);
  REQUIRE(driver.WaitFor([&] { return driver.links.size() == 1; }));
  rig.On([&] { rig.pools[0].Leave(leaves); });
  driver.links[0]->Send(RawFrame::kSettings, 0, 0);
  REQUIRE(stays.WaitForAnswer());
  CHECK(stays.why.ok());
  CHECK(leaves.answers == 0);
  CHECK(driver.links.size() == 1);
}

TEST_CASE("a full connection gets another one beside it, up to the limit; then calls wait for their turn") {
  Caller a, b, third, fourth, fifth;
  RawDriver driver({.on_open = [](RawLink& link) { AllowStreams(link, 1); }});
  UpstreamOptions options;
  options.max_connections = 2;
  options.max_waiting = 2;
  PoolRig rig(options);
  REQUIRE(rig.Get(a, driver.address).ok());
  REQUIRE(rig.Get(b, driver.address).ok());
  CHECK(a.connection != b.connection);
  rig.Ask(third, driver.address);
  rig.Ask(fourth, driver.address);
  CHECK(rig.Get(fifth, driver.address).code() == StatusCode::kUnavailable);
  CHECK(fifth.why.message().find("2 calls wait") != std::string::npos);
  rig.End(b);
  REQUIRE(third.WaitForAnswer());
  CHECK(third.connection == b.connection);
  CHECK(fourth.answers == 0);
  rig.End(a);
  REQUIRE(fourth.WaitForAnswer());
  CHECK(fourth.why.ok());
  CHECK(driver.links.size() == 2);
}

TEST_CASE("nobody waits for ever for room on a busy driver") {
  Caller caller;
  RawDriver driver({.on_open = [](RawLink& link) { AllowStreams(link, 0); }});
  UpstreamOptions options;
  options.max_wait = 20ms;
  PoolRig rig(options);
  CHECK(rig.Get(caller, driver.address).code() == StatusCode::kUnavailable);
  CHECK(caller.why.message().find("busy") != std::string::npos);
}

TEST_CASE("a worker's calls spread over the endpoints by their weight, and those set aside come last") {
  Caller refused;
  std::list<Caller> callers;
  RawDriver driver({});
  PoolRig rig;
  const std::vector<Endpoint> endpoints{{.address = NobodyThere()}, {.address = driver.address}};
  const auto choose = [&](std::span<const Endpoint> tried = {}) {
    const Endpoint* chosen = nullptr;
    rig.On([&] { chosen = rig.pools[0].Choose(endpoints, tried); });
    return chosen ? chosen->address : "none";
  };
  CHECK(!rig.Get(refused, NobodyThere()).ok());
  CHECK(choose() == driver.address);
  CHECK(choose() == driver.address);
  CHECK(choose({&endpoints[1], 1}) == NobodyThere());
  CHECK(choose(endpoints) == "none");

  const std::vector<Endpoint> weighted{{.address = driver.address, .weight = 2}, {.address = "127.0.0.2:1"}};
  REQUIRE(rig.Get(callers.emplace_back(), driver.address).ok());
  std::string next;
  const auto ask = [&] { rig.On([&] { next = rig.pools[0].Choose(weighted)->address; }); };
  REQUIRE(rig.Get(callers.emplace_back(), driver.address).ok());
  ask();
  CHECK(next == "127.0.0.2:1");  // 3 / 2 against 1 / 1
}

}  // namespace
}  // namespace sgw::core::testing
