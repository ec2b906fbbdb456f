#include "core/upstream/pool.h"
#include "tests/core/upstream/pool_rig.h"

namespace sgw::core::testing {
namespace {

TEST_CASE("a connection that does not open in time is a failure that says how far it came") {
  Caller caller;
  RawDriver driver({.on_open = [](RawLink&) {}});
  UpstreamOptions options;
  options.connect_timeout = 50ms;
  PoolRig rig(options);
  CHECK(rig.Get(caller, driver.address).code() == StatusCode::kUnavailable);
  CHECK(caller.why.message().find("no HTTP/2 SETTINGS came") != std::string::npos);
  CHECK(rig.View(driver.address).state == "failing");
  REQUIRE(driver.WaitFor([&] { return driver.ended == 1; }));
}

TEST_CASE("an endpoint that refuses is set aside, twice as long each time, and meanwhile nobody waits for it") {
  StillClock clock;
  PoolRig rig({}, clock);
  std::uint64_t attempts = 0;
  for (const auto pause : {250ms, 500ms, 1000ms, 2000ms, 4000ms, 5000ms, 5000ms}) {
    CAPTURE(pause.count());
    Caller first, second, late;
    CHECK(!rig.Get(first, NobodyThere()).ok());
    CHECK(rig.View(NobodyThere()).failures == ++attempts);
    rig.Ask(second, NobodyThere());
    CHECK(second.answers == 1);  // before Get returned
    CHECK(second.why.message() == first.why.message());
    clock.Advance(pause - 1ms);
    rig.Ask(late, NobodyThere());
    CHECK(late.answers == 1);
    CHECK(rig.View(NobodyThere()).failures == attempts);
    clock.Advance(1ms);
  }
}

TEST_CASE("an endpoint that answers again is whole again") {
  Caller refused, served;
  StillClock clock;
  RawDriver driver({.listens = false});
  PoolRig rig({}, clock);
  CHECK(!rig.Get(refused, driver.address).ok());
  CHECK(rig.View(driver.address).last_error.find("refused") != std::string::npos);
  driver.Listen();
  clock.Advance(250ms);
  CHECK(rig.Get(served, driver.address).ok());
  CHECK(rig.Sees(driver.address, [](const EndpointView& view) { return view.state == "connected"; }));
  CHECK(rig.View(driver.address).last_error.empty());
  CHECK(rig.heard.failed == 1);
}

TEST_CASE("a server that closes each new connection at once gets its pauses, and its callers an answer") {
  RawDriver driver({.on_open = [](RawLink& link) {
    link.Send(RawFrame::kSettings, 0, 0);
    link.Close();
  }});
  Caller caller;
  PoolRig rig;
  rig.Ask(caller, driver.address);
  REQUIRE(caller.WaitForAnswer());
  if (caller.why.ok()) REQUIRE(caller.stream.WaitFor([&] { return caller.stream.is_closed; }));
  CHECK(driver.links.size() == 1);
}

TEST_CASE("a server that says GOAWAY to a new connection is asked for one more, once") {
  SUBCASE("and serves on that") {
    RawDriver driver({.on_open = [](RawLink& link) {
      if (link.index == 0) return link.Leave();
      link.Send(RawFrame::kSettings, 0, 0);
    }});
    Caller caller;
    PoolRig rig;
    REQUIRE(rig.Get(caller, driver.address).ok());
    REQUIRE(driver.WaitFor([&] { return driver.Count(RawFrame::kHeaders) == 1; }));
    CHECK(driver.links.size() == 2);
    CHECK(rig.View(driver.address).state == "connected");
    rig.End(caller);
  }
  SUBCASE("and leaves that, too") {
    StillClock clock;
    RawDriver driver({.on_open = [](RawLink& link) { link.Leave(); }});
    Caller first, second, later;
    PoolRig rig({}, clock);
    rig.Ask(first, driver.address);
    rig.Ask(second, driver.address);
    for (Caller* const caller : {&first, &second}) {
      REQUIRE(caller->WaitForAnswer());
      CHECK(caller->why.message().find("ended a new connection at once") != std::string::npos);
    }
    CHECK(driver.links.size() == 2);
    CHECK(rig.View(driver.address).failures == 2);
    // After its pause one is enough.
    clock.Advance(500ms);
    CHECK(!rig.Get(later, driver.address).ok());
    CHECK(driver.links.size() == 3);
    CHECK(driver.Requests() == 0);
  }
}

TEST_CASE("while sessions are bound to it a failing endpoint is tried without calls, by one worker for all") {
  Caller a, b;
  RawDriver driver({.listens = false});
  PoolRig rig({}, Clock::Real(), 2);
  rig.table.Bind(driver.address, "");
  CHECK(!rig.Get(a, driver.address, 0).ok());
  rig.On([] {}, 0);
  rig.Ask(b, driver.address, 1);
  REQUIRE(b.WaitForAnswer());
  const auto state = rig.table.Of(driver.address, "");
  CHECK(state->prober == &rig.pools[0]);
  REQUIRE(rig.heard.WaitFor([&] { return rig.heard.failed >= 3; }));
  CHECK(rig.heard.runs.front() == rig.heard.runs.back());  // one run of attempts, since the first
  driver.Listen();
  CHECK(rig.Sees(driver.address, [&](const EndpointView& view) { return view.state == "connected"; }));
  CHECK(state->prober == nullptr);
  rig.table.Unbind(driver.address, "");
}

TEST_CASE("without sessions nobody goes on trying") {
  Caller caller;
  PoolRig rig;
  CHECK(!rig.Get(caller, NobodyThere()).ok());
  CHECK(rig.table.Of(NobodyThere(), "")->prober == nullptr);
}

TEST_CASE("a server with sessions whose connection breaks off is looked for at once, however long its stream has run") {
  Caller caller;
  RawDriver driver({});
  UpstreamOptions options;
  options.connection.idle_timeout = 4s;
  PoolRig rig(options);
  rig.table.Bind(driver.address, "");
  REQUIRE(rig.Get(caller, driver.address).ok());
  REQUIRE(driver.WaitFor([&] { return driver.Count(RawFrame::kHeaders) == 1; }));
  driver.links[0]->Close();
  REQUIRE(caller.stream.WaitFor([&] { return caller.stream.is_closed; }));
  REQUIRE(driver.WaitFor([&] { return driver.links.size() == 2; }));
  rig.table.Unbind(driver.address, "");
}

TEST_CASE("an endpoint with an open connection is not unreachable, though it lets nobody else in") {
  Caller served, waits;
  std::atomic<int> opened{0};
  RawDriver driver({.on_open = [&](RawLink& link) {
    if (opened++ > 0) return link.Close();
    link.Setting(3, 1);
  }});
  UpstreamOptions options;
  options.max_wait = 100ms;
  PoolRig rig(options);
  REQUIRE(rig.Get(served, driver.address).ok());
  CHECK(!rig.Get(waits, driver.address).ok());
  CHECK(rig.View(driver.address).failures == 1);
  CHECK(rig.heard.failed == 0);
  CHECK(driver.WaitFor([&] { return driver.links.size() == 2; }));  // and it got its pause
}

TEST_CASE("a failure long ago is no part of a run of failures") {
  StillClock clock;
  EndpointTable table(clock);
  Heard heard;
  table.SetListener(&heard);
  const auto state = table.Of("a:1", "");
  const auto fails = [&] { table.Failed(*state, clock.Now(), Unavailable("refused")); };
  fails();
  const SteadyTime first = clock.Now();
  clock.Advance(5s);
  fails();
  CHECK(heard.runs.back() == first);
  clock.Advance(1min);
  fails();
  CHECK(heard.runs.back() == clock.Now());
  CHECK(state->pause_left(clock.Now()) == 250ms);
}

}  // namespace
}  // namespace sgw::core::testing
