#include "router_by_group.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

using namespace sgw::testing;

namespace {

constexpr auto kSettings = R"({"namespaces": {"ads": "spark-ads", "ml": "spark-ml"}})";

PluginSource Source() { return Linked<acme::RouterByGroup, acme::RouterByGroupSettings>(); }

}  // namespace

TEST_CASE("the first of the configured groups decides") {
  TestHost host;
  PluginUnderTest router(host, Source(), kSettings);

  const auto answer = router.Decide(CallFrom("alice").Groups({"ml", "ads"})).now();

  REQUIRE(answer.get<sgw::Route>());
  CHECK(answer.get<sgw::Route>()->namespace_ == "spark-ads");
}

TEST_CASE("who is in none of the groups is told which there are") {
  TestHost host;
  PluginUnderTest router(host, Source(), kSettings);

  const sgw::Status refusal = router.Decide(CallFrom("bob")).now().status();

  CHECK(refusal.code() == sgw::StatusCode::kPermissionDenied);
  CHECK(refusal.message().find("ads, ml") != std::string::npos);
  CHECK(host.Metric("spark_gateway_router_by_group_refused_total") == 1);
}

TEST_CASE("without namespaces there is no router") {
  TestHost host;
  const PluginUnderTest router(host, Source(), "{}");
  CHECK(router.created().message() == "namespaces: is required");
}
