#include "core/upstream/pool.h"
#include "tests/core/upstream/pool_rig.h"

namespace sgw::core::testing {
namespace {

TEST_CASE("after a GOAWAY a second connection opens, and running streams finish on the first") {
  Caller running, next;
  RawDriver driver({});
  PoolRig rig;
  REQUIRE(rig.Get(running, driver.address).ok());
  REQUIRE(driver.WaitFor([&] { return driver.Count(RawFrame::kHeaders) == 1; }));
  driver.links[0]->Goaway(1);
  bool is_leaving = false;
  while (!is_leaving) rig.On([&] { is_leaving = running.connection->is_leaving(); });
  REQUIRE(rig.Get(next, driver.address).ok());
  CHECK(next.connection != running.connection);
  CHECK(!running.stream.is_closed);
  CHECK(driver.ended == 0);

  driver.links[0]->Answer(1);
  REQUIRE(running.stream.WaitFor([&] { return running.stream.has_ended; }));
  CHECK(running.stream.headers.Get("grpc-status") == "0");
  rig.On([&] { running.stream.stream->SendEnd(); });
  REQUIRE(driver.WaitFor([&] { return driver.ended == 1; }));
  CHECK(!next.stream.is_closed);
}

TEST_CASE("streams above a GOAWAY's last one were not processed, those below go on") {
  Caller below, above;
  RawDriver driver({});
  PoolRig rig;
  REQUIRE(rig.Get(below, driver.address).ok());
  REQUIRE(rig.Get(above, driver.address).ok());
  REQUIRE(driver.WaitFor([&] { return driver.Count(RawFrame::kHeaders) == 2; }));
  driver.links[0]->Goaway(1);
  REQUIRE(above.stream.WaitFor([&] { return above.stream.is_closed; }));
  CHECK(above.stream.close.reason == CloseReason::kNotProcessed);
  CHECK(above.stream.close.is_sent);
  CHECK(!below.stream.is_closed);
}

TEST_CASE("a connection without streams closes when it was idle for its time") {
  Caller caller;
  RawDriver driver({});
  UpstreamOptions options;
  options.connection.idle_timeout = 1ms;
  PoolRig rig(options);
  REQUIRE(rig.Get(caller, driver.address).ok());
  rig.End(caller);
  REQUIRE(driver.WaitFor([&] { return driver.ended == 1; }));
  CHECK(rig.Sees(driver.address, [](const EndpointView& view) { return view.connections == 0; }));
  CHECK(driver.Count(RawFrame::kGoaway) == 1);
}

TEST_CASE("when the last session has left an endpoint its connections close, busy ones after their last stream") {
  Caller busy, done;
  RawDriver driver({});
  PoolRig rig({}, Clock::Real(), 2);
  rig.table.Bind(driver.address, "");
  rig.table.Bind(driver.address, "");
  REQUIRE(rig.Get(busy, driver.address, 0).ok());
  REQUIRE(rig.Get(done, driver.address, 1).ok());
  rig.End(done, 1);
  rig.table.Unbind(driver.address, "");
  rig.On([] {}, 1);
  CHECK(driver.ended == 0);
  rig.table.Unbind(driver.address, "");
  REQUIRE(driver.WaitFor([&] { return driver.ended == 1; }));
  rig.On([] {}, 0);
  CHECK(!busy.stream.is_closed);
  rig.End(busy, 0);
  REQUIRE(driver.WaitFor([&] { return driver.ended == 2; }));
}

TEST_CASE("an endpoint that no discovery has any more is withdrawn, unless sessions are bound to it") {
  Caller busy, done;
  RawDriver driver({});
  PoolRig rig({}, Clock::Real(), 2);
  const std::vector<Endpoint> before = {{.address = driver.address}, {.address = "127.0.0.1:1"}};
  const std::vector<Endpoint> after = {{.address = driver.address}};
  rig.table.List(before);
  REQUIRE(rig.Get(busy, driver.address, 0).ok());
  REQUIRE(rig.Get(done, driver.address, 1).ok());
  rig.End(done, 1);
  const auto is_kept = [&] {
    Caller again;
    REQUIRE(rig.Get(again, driver.address, 1).ok());
    rig.End(again, 1);
    return again.connection == done.connection;
  };
  rig.table.List(after);
  rig.table.Unlist(before);
  CHECK(is_kept());
  rig.table.Bind(driver.address, "");
  rig.table.Unlist(after);
  CHECK(is_kept());
  rig.table.List(after);
  rig.table.Unlist(after);
  CHECK(is_kept());
  rig.table.Unbind(driver.address, "");
  REQUIRE(driver.WaitFor([&] { return driver.ended == 1; }));
  rig.End(busy, 0);
  REQUIRE(driver.WaitFor([&] { return driver.ended == 2; }));
}

TEST_CASE("without sessions, what no discovery has any more is withdrawn, and running streams finish") {
  Caller busy, done;
  RawDriver driver({});
  PoolRig rig({}, Clock::Real(), 2);
  const std::vector<Endpoint> listed = {{.address = driver.address}};
  rig.table.List(listed);
  REQUIRE(rig.Get(busy, driver.address, 0).ok());
  REQUIRE(rig.Get(done, driver.address, 1).ok());
  rig.End(done, 1);
  rig.table.Unlist(listed);
  REQUIRE(driver.WaitFor([&] { return driver.ended == 1; }));
  rig.On([] {}, 0);
  CHECK(!busy.stream.is_closed);
  rig.End(busy, 0);
  REQUIRE(driver.WaitFor([&] { return driver.ended == 2; }));
}

TEST_CASE("an endpoint that has sessions again is not withdrawn") {
  Caller a, b;
  RawDriver driver({});
  PoolRig rig;
  REQUIRE(rig.Get(a, driver.address).ok());
  rig.End(a);
  rig.table.Bind(driver.address, "");
  rig.pools.Withdraw(driver.address, "");
  REQUIRE(rig.Get(b, driver.address).ok());
  CHECK(a.connection == b.connection);
  rig.table.Unbind(driver.address, "");
}

TEST_CASE("a driver is pinged after silence, and only while calls run") {
  Caller idle, busy;
  RawDriver driver({});
  UpstreamOptions options;
  options.connection.ping_interval = 1ms;
  options.connection.ping_timeout = 1ms;
  CHECK(!UpstreamOptions().connection.ping_without_streams);
  CHECK(UpstreamOptions().connection.ping_interval == 5min);
  PoolRig rig(options, Clock::Real(), 2);
  REQUIRE(rig.Get(idle, driver.address, 0).ok());
  rig.End(idle, 0);
  REQUIRE(rig.Get(busy, driver.address, 1).ok());
  // It answers no ping: the connection with a call is given up, the other one was never asked.
  REQUIRE(busy.stream.WaitFor([&] { return busy.stream.is_closed; }));
  CHECK(busy.stream.close.reason == CloseReason::kConnectionLost);
  REQUIRE(driver.WaitFor([&] { return driver.ended == 1; }));
  CHECK(driver.Count(RawFrame::kPing) == 1);
}

}  // namespace
}  // namespace sgw::core::testing
