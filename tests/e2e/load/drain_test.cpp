#include <array>
#include <csignal>
#include <vector>

#include "tests/e2e/load/gateway_process.h"

namespace sgw::core::testing {
namespace {

using namespace std::chrono_literals;

TEST_CASE("SIGTERM: not ready, then no new streams, then running ones finish, then exit 0") {
  Recorder running, watch;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), R"("drain": {"delay": "1s", "timeout": "60s"})");
  Clients clients;
  const auto client = clients.Connect(gateway.address);
  clients.Call(*client, running, "ExecutePlan", SparkRequest("alice", 0), {{"x-script", "responses=30;pause=100ms"}});
  clients.Call(*client, watch, "/grpc.health.v1.Health/Watch", "");
  REQUIRE(running.WaitFor([&] { return running.received > 0; }));
  CHECK(gateway.Get("/readyz").first == 200);

  gateway.Signal(SIGTERM);
  REQUIRE(Comes([&] { return gateway.Get("/readyz").first == 503; }));
  CHECK(gateway.Get("/healthz").first == 200);
  REQUIRE(watch.WaitFor([&] { return watch.received == 14; }));
  bool is_leaving = true;
  clients.On([&] { is_leaving = client->is_leaving(); });
  CHECK(!is_leaving);
  clients.Ask(*client, "Config", SparkRequest("alice", 0));  // whoever comes in the delay is served

  REQUIRE(Comes([&] {
    clients.On([&] { is_leaving = client->is_leaving(); });
    return is_leaving;
  }));
  CHECK(!running.is_closed);
  CHECK(CodeOf(running) == "0");
  CHECK(gateway.WaitForExit() == 0);
}

TEST_CASE("a drain that took its time ends what is left with UNAVAILABLE, and exits 0") {
  Recorder hangs;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), R"("drain": {"timeout": "200ms"})");
  Clients clients;
  const auto client = clients.Connect(gateway.address);
  clients.Call(*client, hangs, "ExecutePlan", SparkRequest("alice", 0), {{"x-fault", "hang"}});
  REQUIRE(driver.WaitForArrived("ExecutePlan"));
  gateway.Signal(SIGTERM);
  CHECK(CodeOf(hangs) == "14");
  CHECK(gateway.WaitForExit() == 0);
}

TEST_CASE("however many calls a drain ends, each hears why, and is in the audit when the gateway has gone") {
  constexpr int kCalls = 2'000;
  std::vector<Recorder> calls(kCalls);
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), R"("drain": {"timeout": "0"})");
  Clients clients;
  const std::array connections = {clients.Connect(gateway.address), clients.Connect(gateway.address)};
  for (int i = 0; i < kCalls; ++i) {
    clients.Call(*connections[i % 2], calls[i], "ExecutePlan", SparkRequest("alice", 0), {{"x-fault", "hang"}});
  }
  REQUIRE(driver.WaitForArrived("ExecutePlan", kCalls));
  gateway.Signal(SIGTERM);
  int told = 0;
  for (Recorder& call : calls) told += CodeOf(call) == "14";
  CHECK(told == kCalls);
  CHECK(gateway.WaitForExit() == 0);
  CHECK(gateway.Recorded("call_refused") == kCalls);
}

TEST_CASE("a second signal ends at once") {
  Recorder hangs;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), R"("drain": {"timeout": "10m"})");
  Clients clients;
  const auto client = clients.Connect(gateway.address);
  clients.Call(*client, hangs, "ExecutePlan", SparkRequest("alice", 0), {{"x-fault", "hang"}});
  REQUIRE(driver.WaitForArrived("ExecutePlan"));
  gateway.Signal(SIGTERM);
  REQUIRE(Comes([&] { return gateway.Get("/readyz").first == 503; }));
  gateway.Signal(SIGTERM);
  CHECK(gateway.WaitForExit() == 1);
}

}  // namespace
}  // namespace sgw::core::testing
