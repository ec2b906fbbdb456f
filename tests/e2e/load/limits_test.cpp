#include "tests/e2e/load/gateway_process.h"

namespace sgw::core::testing {
namespace {

struct Refused {
  std::string code;
  std::string message;
  std::string details;  // grpc-status-details-bin
};

Refused Ask(Clients& clients, ClientConnection& client, const std::string& path, const std::string& message) {
  Recorder call;
  clients.Call(client, call, path, message);
  Refused refused;
  refused.code = CodeOf(call);
  refused.message = call.headers.Get("grpc-message");
  refused.details = call.headers.Get("grpc-status-details-bin");
  return refused;
}

double RefusalsOf(const GatewayProcess& gateway, const std::string& limit, const std::string& of) {
  return gateway.Metric("spark_gateway_limit_refusals_total{limit=\"" + limit + "\",of=\"" + of + "\"}");
}

TEST_CASE("the limits of a rule hold over connections, and what is given back is free again") {
  Recorder running;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), "", R"("rules": [{"limits": [
      {"operations": 1}, {"per": "team", "sessions": 2}]}])");
  Clients clients;
  const auto one = clients.Connect(gateway.address);
  const auto two = clients.Connect(gateway.address);

  clients.Call(*one, running, "ExecutePlan", SparkRequest("alice", 0), {{"x-fault", "hang"}});
  REQUIRE(driver.WaitForArrived("ExecutePlan"));
  const Refused operation = Ask(clients, *two, "ExecutePlan", SparkRequest("alice", 0));
  CHECK(operation.code == "8");
  CHECK(operation.message.starts_with("You have as many as you may have: 1 running operation at a time."));
  CHECK(Ask(clients, *two, "ExecutePlan", SparkRequest("bob", 1)).code == "0");

  const Refused session = Ask(clients, *two, "Config", SparkRequest("carol", 2));
  CHECK(session.code == "8");
  CHECK(session.message.starts_with("The limit of team ready is reached: 2 sessions at a time, of all together."));
  CHECK(Ask(clients, *two, "ReleaseSession", SparkRequest("bob", 1)).code == "0");
  CHECK(Ask(clients, *two, "Config", SparkRequest("carol", 2)).code == "0");

  clients.On([&] { running.stream->Reset(ErrorCode::kCancel); });
  std::string again = "8";
  for (int i = 0; i < 500 && again == "8"; ++i)
    again = Ask(clients, *two, "ExecutePlan", SparkRequest("alice", 0)).code;
  CHECK(again == "0");
  CHECK(RefusalsOf(gateway, "operations", "subject") >= 1);
  CHECK(RefusalsOf(gateway, "sessions", "shared") == 1);
}

TEST_CASE("who calls too often is told when to come again, and may interrupt and release all the same") {
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), "", R"("rules": [{"limits": [{"calls_per_second": 1, "burst": 3}]}])");
  Clients clients;
  const auto client = clients.Connect(gateway.address);
  Refused refused;
  for (int i = 0; i < 100 && refused.code != "8"; ++i)
    refused = Ask(clients, *client, "Config", SparkRequest("alice", 0));
  CHECK(refused.code == "8");
  CHECK(refused.message.starts_with("You make more calls than you may: 1 call a second."));
  // "google.rpc.RetryInfo" in base64, at one of its three places.
  CHECK((refused.details.find("Z29vZ2xlLnJwYy5SZXRyeUluZm") != std::string::npos ||
         refused.details.find("dvb2dsZS5ycGMuUmV0cnlJbmZv") != std::string::npos ||
         refused.details.find("nb29nbGUucnBjLlJldHJ5SW5mb") != std::string::npos));
  for (const char* method : {"Interrupt", "ReleaseExecute", "FetchErrorDetails", "ReleaseSession"}) {
    CHECK_MESSAGE(Ask(clients, *client, method, SparkRequest("alice", 0)).code != "8", method);
  }
  CHECK(RefusalsOf(gateway, "calls_per_second", "subject") == 1);
}

}  // namespace
}  // namespace sgw::core::testing
