#include "router_headers.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

using namespace sgw::testing;
using sgw::StatusCode;
using sgw::plugins::HeaderRouter;
using sgw::plugins::HeaderRouterSettings;

namespace {

sgw::RouterAnswer Decide(const char* settings, const FakeCall& call) {
  TestHost host;
  PluginUnderTest router(host, Linked<HeaderRouter, HeaderRouterSettings>(), settings);
  REQUIRE(router.created().ok());
  return router.Decide(call).now();
}

}  // namespace

TEST_CASE("team and environment make the namespace, and the Route says from which headers") {
  const auto answer =
      Decide("{}", CallFrom("alice").Header("x-spark-team", "ads").Header("x-spark-environment", "prod"));
  REQUIRE(answer.get<sgw::Route>());
  CHECK(answer.get<sgw::Route>()->namespace_ == "sjns-ads-prod");
  CHECK(answer.get<sgw::Route>()->made_from == std::vector<std::string>{"x-spark-team", "x-spark-environment"});
}

TEST_CASE("who does not say the team is shown the URL to write") {
  const auto answer = Decide("{}", CallFrom("alice"));
  CHECK(answer.status().code() == StatusCode::kInvalidArgument);
  CHECK(answer.status().message().find(";x-spark-team=<team>") != std::string::npos);
}

TEST_CASE("an alias names the team, and two different values are refused") {
  const char* settings = R"({"team_headers": ["x-spark-team", "x-doordash-team"], "default_environment": "dev"})";
  const auto alias = Decide(settings, CallFrom("alice").Header("x-doordash-team", "ads"));
  REQUIRE(alias.get<sgw::Route>());
  CHECK(alias.get<sgw::Route>()->namespace_ == "sjns-ads-dev");
  const auto both = Decide(settings, CallFrom("alice").Header("x-doordash-team", "ads").Header("x-spark-team", "ml"));
  CHECK(both.status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("pieces can never be glued into another team's name") {
  for (const char* team : {"a-b", "ADS", "a.b", "a b", "a/b", "\xc3\xa4", "-", "a\n"}) {
    const auto answer = Decide(R"({"default_environment": "prod"})", CallFrom("alice").Header("x-spark-team", team));
    CHECK_MESSAGE(answer.status().code() == StatusCode::kInvalidArgument, team);
  }
}

TEST_CASE("a pair that is not allowed is refused by its name") {
  const char* settings = R"({"allowed": ["ads/prod", "ml/*"]})";
  const auto decide = [&](const char* team, const char* environment) {
    return Decide(settings, CallFrom("alice").Header("x-spark-team", team).Header("x-spark-environment", environment));
  };
  CHECK(decide("ads", "prod").get<sgw::Route>());
  CHECK(decide("ml", "dev").get<sgw::Route>());
  CHECK(decide("ads", "dev").status().code() == StatusCode::kPermissionDenied);
}

TEST_CASE("attributes are taken from an allow-list") {
  const char* settings =
      R"({"default_team": "a", "default_environment": "b",
          "attributes": [{"header": "x-spark-size", "name": "size", "values": ["s", "m"]}]})";
  const auto medium = Decide(settings, CallFrom("alice").Header("x-spark-size", "m"));
  REQUIRE(medium.get<sgw::Route>());
  CHECK(medium.get<sgw::Route>()->attribute("size") == "m");
  CHECK(Decide(settings, CallFrom("alice").Header("x-spark-size", "xl")).status().message().find("there are: s, m") !=
        std::string::npos);
}

TEST_CASE("every user can have a namespace of their own, the same one each time") {
  const char* settings = R"({"namespace": "sjns-playground-{user_hash}"})";
  const auto of = [&](const char* user) { return Decide(settings, CallFrom(user)).get<sgw::Route>()->namespace_; };
  CHECK(of("alice") == of("alice"));
  CHECK(of("alice") != of("bob"));
  CHECK(of("alice@example.com").size() == std::string("sjns-playground-").size() + 13);
}

TEST_CASE("a template that gives no DNS label is refused at the start") {
  TestHost host;
  const PluginUnderTest router(host, Linked<HeaderRouter, HeaderRouterSettings>(), R"({"namespace": "Team {team}"})");
  CHECK_FALSE(router.created().ok());
}
