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

namespace {

constexpr const char* kRules = R"({"rules": [
    {"groups": ["ads"], "teams": ["ads", "data-eng"], "environments": ["dev", "prod"], "default_team": "ads",
     "default_environment": "dev", "limits": [{"per": "team", "sessions": 5}]},
    {"subjects": ["ci"], "teams": ["*"], "environments": ["dev"], "limits": [{"sessions": 2}]}]})";

FakeCall Asks(const char* subject, std::vector<std::string> groups, const char* team, const char* environment) {
  FakeCall call = CallFrom(subject).Groups(std::move(groups));
  if (*team) call.Header("x-spark-team", team);
  if (*environment) call.Header("x-spark-environment", environment);
  return call;
}

}  // namespace

TEST_CASE("with rules everything that none of them allows is refused, and only the caller's own teams are named") {
  CHECK(Decide(kRules, Asks("alice", {"ads"}, "ads", "prod")).get<sgw::Route>());
  CHECK(Decide(kRules, Asks("ci", {}, "ml", "dev")).get<sgw::Route>());
  const auto other = Decide(kRules, Asks("alice", {"ads"}, "ml", "dev")).status();
  CHECK(other.code() == StatusCode::kPermissionDenied);
  CHECK(other.message() == "You may not use team 'ml' in environment 'dev'. Your teams are: ads, data-eng.");
  const auto nobody = Decide(kRules, Asks("bob", {}, "ads", "dev")).status();
  CHECK(nobody.message() == "You may not use team 'ads' in environment 'dev'.");
  CHECK(Decide(kRules, Asks("bob", {}, "nosuch", "dev")).status().message() ==
        "You may not use team 'nosuch' in environment 'dev'.");
  CHECK(Decide(kRules, Asks("ci", {}, "ml", "prod")).status().code() == StatusCode::kPermissionDenied);
}

TEST_CASE("a group has its default team and environment") {
  const auto answer = Decide(kRules, Asks("alice", {"ads"}, "", ""));
  REQUIRE(answer.get<sgw::Route>());
  CHECK(answer.get<sgw::Route>()->namespace_ == "sjns-ads-dev");
  CHECK(Decide(kRules, Asks("ci", {}, "", "dev")).status().message().starts_with("Which team?"));
}

TEST_CASE("a team whose name has a '-' is one that a rule names, so no caller makes one up") {
  const auto answer = Decide(kRules, Asks("alice", {"ads"}, "data-eng", "prod"));
  REQUIRE(answer.get<sgw::Route>());
  CHECK(answer.get<sgw::Route>()->namespace_ == "sjns-data-eng-prod");
  CHECK(Decide(kRules, Asks("ci", {}, "data-x", "dev")).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("limits of a rule become the Route's policy") {
  const auto team = Decide(kRules, Asks("alice", {"ads"}, "ads", "dev"));
  CHECK(team.get<sgw::Route>()->policy.limits == std::vector<sgw::Limit>{{.name = "team ads", .max_sessions = 5}});
  CHECK(Decide(kRules, Asks("ci", {}, "ml", "dev")).get<sgw::Route>()->policy.max_sessions == 2);
}

TEST_CASE("a header that was not sent belongs to the Route, too: a later call cannot add it") {
  const auto answer = Decide(kRules, Asks("alice", {"ads"}, "", ""));
  CHECK(answer.get<sgw::Route>()->made_from == std::vector<std::string>{"x-spark-team", "x-spark-environment"});
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

TEST_CASE("a user's hash says who it is with, too: the same name in two realms is two people") {
  const char* settings = R"({"namespace": "{user_hash}"})";
  const auto of = [&](const FakeCall& call) { return Decide(settings, call).get<sgw::Route>()->namespace_; };
  const std::string plain = of(CallFrom("alice"));
  CHECK(plain.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string::npos);
  CHECK(plain != of(FakeCall().As({.subject = "alice", .realm = "partners"})));
  // Namespaces outlive a version of the gateway: `printf '\nalice' | sha256sum | xxd -r -p | base32`.
  CHECK(plain == "qc3kg3j3oozit");
}

TEST_CASE("a host name stands for a team and an environment, whatever its case, and a header is stronger") {
  const char* settings = R"({"hosts": {"Ads.spark.example.com": "ads/prod"}})";
  const auto of = [&](const FakeCall& call) { return Decide(settings, call).get<sgw::Route>()->namespace_; };
  CHECK(of(CallFrom("alice").Authority("ads.Spark.example.com:15002")) == "sjns-ads-prod");
  CHECK(of(CallFrom("alice").Authority("ads.spark.example.com")) == "sjns-ads-prod");
  CHECK(of(CallFrom("alice").Authority("ads.spark.example.com").Header("x-spark-environment", "dev")) ==
        "sjns-ads-dev");
  CHECK(Decide(settings, CallFrom("alice").Authority("ml.spark.example.com")).status().code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("a user's name is a piece only when no other name could be meant") {
  const char* settings = R"({"namespace": "{user}-{team}", "default_team": "ads"})";
  CHECK(Decide(settings, CallFrom("alice")).get<sgw::Route>()->namespace_ == "alice-ads");
  CHECK(Decide(settings, CallFrom("alice-ads")).status().code() == StatusCode::kFailedPrecondition);
  CHECK(Decide(settings, CallFrom("alice@example.com")).status().code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("a namespace that is too long for a DNS label is refused") {
  const auto answer =
      Decide("{}", CallFrom("alice").Header("x-spark-team", std::string(63, 'a')).Header("x-spark-environment", "b"));
  CHECK(answer.status().message().find("longer than the 63") != std::string::npos);
}

TEST_CASE("settings that could never serve a call, or would mix callers up, are refused at the start") {
  const auto refused = [](const char* settings, const char* why) {
    TestHost host;
    const PluginUnderTest router(host, Linked<HeaderRouter, HeaderRouterSettings>(), settings);
    CHECK_MESSAGE(router.created().message().find(why) == 0, settings, " gives ", router.created().message());
  };
  refused(R"({"namespace": "Team {team}"})", "namespace: 'Team {team}' gives no DNS label");
  refused(R"({"namespace": "{tema}"})", "namespace: '{tema}' gives no DNS label");
  refused(R"({"namespace": "-{team}"})", "namespace: '-{team}' gives no DNS label");
  // "ab" and "c" would be "a" and "bc".
  refused(R"({"namespace": "{team}{environment}"})", "namespace: '{team}{environment}' gives one namespace");
  refused(R"({"namespace": "a-{team}x{user}"})", "namespace: 'a-{team}x{user}' gives one namespace");
  refused(R"({"allowed": ["ads"]})", "allowed: 'ads' is not team/environment");
  refused(R"({"allowed": ["ads/a-b"]})", "allowed: 'ads/a-b': an environment has letters a-z and digits only");
  refused(R"({"allowed": ["data-eng/prod"]})",
          "allowed: 'data-eng/prod': the team has a '-', which here could give two teams one namespace; a team of "
          "`rules` may have one, as in rules: [{teams: [data-eng]}]");
  refused(R"({"hosts": {"h": "ads/*"}})", "hosts.h: 'ads/*' is not team/environment");
  refused(R"({"default_team": "Ads"})", "default_team: 'Ads' has more than letters");
}

TEST_CASE("a header that no call can have, or that carries a credential, names no team") {
  for (const std::string setting : {R"("team_headers": ["x-spark-team", "%"])", R"("environment_headers": ["%"])",
                                    R"("attributes": [{"header": "%", "name": "size", "values": ["s"]}])"}) {
    for (const std::string name : {"X-Spark-Team", "a b", ":path", "", "authorization", "cookie"}) {
      std::string settings = "{" + setting + "}";
      settings.replace(settings.find('%'), 1, name);
      CAPTURE(settings);
      TestHost host;
      const PluginUnderTest router(host, Linked<HeaderRouter, HeaderRouterSettings>(), settings);
      CHECK(router.created().message().find("'" + name + "'") != std::string::npos);
    }
  }
}
