#include <list>

#include "tests/e2e/load/gateway_process.h"

namespace sgw::core::testing {
namespace {

using namespace std::chrono_literals;

constexpr int kHeldCalls = 100;
constexpr auto kAtOnce = 1000ms;  // as seen on a busy machine; a call that waits for another one takes for ever

// What a second client does all day: small calls, and a result of some size.
void NoticesNothing(Clients& clients, GatewayProcess& gateway) {
  const auto client = clients.Connect(gateway.address);
  std::chrono::milliseconds slowest{};
  for (int i = 0; i < 100; ++i) slowest = std::max(slowest, clients.Ask(*client, "Config", SparkRequest("bob", 0)));
  for (int i = 0; i < 3; ++i) {
    slowest = std::max(slowest, clients.Ask(*client, "ExecutePlan", SparkRequest("bob", 0),
                                            {{"x-script", "responses=10;bytes=1000000"}}));
  }
  CHECK(slowest < kAtOnce);
  clients.On([&] { client->Close(); });
}

TEST_CASE("a client that reads none of its hundred streams slows nobody down, and little is held for it") {
  std::list<Recorder> unread;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), R"("limits": {"buffer_bytes": "48MiB"})");
  Clients clients;
  const auto lazy = clients.Connect(gateway.address);
  for (int i = 0; i < kHeldCalls; ++i) {
    Recorder& call = unread.emplace_back();
    call.credits = false;
    call.keeps_body = false;
    clients.Call(*lazy, call, "ExecutePlan", SparkRequest("alice", i), {{"x-script", "responses=20;bytes=1000000"}});
  }
  // Each has what its window lets in; the gateway holds as much again.
  for (Recorder& call : unread) REQUIRE(call.WaitFor([&] { return call.received >= 250'000 || call.is_closed; }));
  CHECK(Comes([&] { return gateway.Metric("spark_gateway_held_bytes") >= 20e6; }));

  NoticesNothing(clients, gateway);

  CHECK(gateway.Metric("spark_gateway_held_bytes") <= 48.0 * (1 << 20));
  for (Recorder& call : unread) CHECK(!call.is_closed);
  // Who begins to read gets everything.
  Recorder& late = unread.front();
  clients.On([&] {
    late.credits = true;
    late.stream->Credit(late.received);
  });
  CHECK(CodeOf(late) == "0");
  CHECK(late.received > 20'000'000);
  clients.On([&] { lazy->Close(); });
  for (Recorder& call : unread) REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(Comes([&] { return gateway.Metric("spark_gateway_held_bytes") == 0; }));
}

TEST_CASE("answers that have come and are not read count as held, though their driver is done") {
  std::list<Recorder> unread;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address());
  Clients clients;
  const auto lazy = clients.Connect(gateway.address);
  // More than the 256 KiB that this client lets in, and so little more that the gateway takes all of it.
  for (int i = 0; i < kHeldCalls; ++i) {
    Recorder& call = unread.emplace_back();
    call.credits = false;
    call.keeps_body = false;
    clients.Call(*lazy, call, "ExecutePlan", SparkRequest("alice", i), {{"x-script", "responses=3;bytes=120000"}});
  }
  REQUIRE(driver.WaitForEnded("ExecutePlan", kHeldCalls));
  CHECK(Comes([&] { return gateway.Metric("spark_gateway_held_bytes") >= 9e6; }));
  clients.On([&] { lazy->Close(); });
  for (Recorder& call : unread) REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(Comes([&] { return gateway.Metric("spark_gateway_held_bytes") == 0; }));
}

TEST_CASE("a hundred calls that wait for a server to be made slow nobody down") {
  std::list<Recorder> waiting;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address());
  Clients clients;
  const auto patient = clients.Connect(gateway.address);
  for (int i = 0; i < kHeldCalls; ++i) {
    Recorder& call = waiting.emplace_back();
    clients.Call(*patient, call, "ExecutePlan", SparkRequest("alice", i), {{"x-spark-team", "slow"}});
  }
  CHECK(Comes([&] { return gateway.Metric("spark_gateway_live_calls") >= kHeldCalls; }));

  NoticesNothing(clients, gateway);

  CHECK(gateway.Metric("spark_gateway_live_calls") >= kHeldCalls);
  CHECK(gateway.Metric("spark_gateway_held_bytes") < 1e6);
  clients.On([&] { patient->Close(); });
  for (Recorder& call : waiting) REQUIRE(call.WaitFor([&] { return call.is_closed; }));
}

}  // namespace
}  // namespace sgw::core::testing
