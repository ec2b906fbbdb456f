#include "core/relay/health.h"

#include "tests/core/relay/gateway_rig.h"

namespace sgw::core::testing {
namespace {

const std::string kServing = "\x08\x01";
const std::string kNotServing = "\x08\x02";
const std::string kServiceUnknown = "\x08\x03";
const std::string kPrefix = "/grpc.health.v1.Health/";

void Nothing(Recorder&) {}

TEST_CASE("a health check needs no credential, and knows the gateway, Spark Connect and itself") {
  GatewayRig rig(Nothing);
  for (const char* service : {"", "spark.connect.SparkConnectService", "grpc.health.v1.Health"}) {
    Recorder check;
    rig.Call(check, kPrefix + "Check", "", Framed(*service ? Field(1, service) : ""));
    CHECK(rig.CodeOf(check) == "0");
    CHECK(check.body == Framed(kServing));
  }
  Recorder unknown;
  rig.Call(unknown, kPrefix + "Check", "", Framed(Field(1, "acme.X")));
  CHECK(rig.CodeOf(unknown) == "5");
}

TEST_CASE("List names every service with its status") {
  Recorder list;
  GatewayRig rig(Nothing);
  rig.relay->SetDraining();
  rig.Call(list, kPrefix + "List", "", Framed(""));
  CHECK(rig.CodeOf(list) == "0");
  std::string all;
  for (const char* service : {"", "spark.connect.SparkConnectService", "grpc.health.v1.Health"}) {
    all += Field(1, Field(1, service) + Field(2, kNotServing));
  }
  CHECK(list.body == Framed(all));
}

TEST_CASE("what is no health request is refused, however it comes") {
  GatewayRig rig(Nothing);
  const std::pair<std::string, std::string> cases[] = {
      {"", "3"},
      {Framed("junk"), "3"},
      {Framed("") + Framed(""), "3"},
      {'\x01' + Framed("").substr(1), "3"},
      {Framed("\x0a\x80\x10" + std::string(2048, 'x')), "3"},
  };
  for (const auto& [bytes, code] : cases) {
    Recorder call;
    rig.Call(call, kPrefix + "Check", "", bytes);
    CHECK(rig.CodeOf(call) == code);
  }
}

TEST_CASE(
    "who watches hears of a drain, who watches an unknown service hears nothing more, and no drain waits for them") {
  Recorder watch, unknown;
  GatewayRig rig(Nothing);
  rig.Call(watch, kPrefix + "Watch", "", Framed(""), false);
  rig.Call(unknown, kPrefix + "Watch", "", Framed(Field(1, "acme.X")), false);
  REQUIRE(watch.WaitFor([&] { return watch.body == Framed(kServing); }));
  REQUIRE(unknown.WaitFor([&] { return unknown.body == Framed(kServiceUnknown); }));
  CHECK(rig.relay->live_calls() == 0);
  rig.relay->SetDraining();
  REQUIRE(watch.WaitFor([&] { return watch.body == Framed(kServing) + Framed(kNotServing); }));
  rig.relay->GiveUp();
  CHECK(rig.CodeOf(watch) == "14");
  CHECK(rig.CodeOf(unknown) == "14");
  CHECK(unknown.body == Framed(kServiceUnknown));
  CHECK(rig.relay->live_calls() == 0);
}

}  // namespace
}  // namespace sgw::core::testing
