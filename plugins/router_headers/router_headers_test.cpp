#include "router_headers.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

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

TEST_CASE("a team is a DNS label, and an environment one without a '-'") {
  for (const char* team : {"ADS", "a.b", "a b", "a/b", "\xc3\xa4", "-", "-a", "a-", "a\n"}) {
    const auto answer = Decide(R"({"default_environment": "prod"})", CallFrom("alice").Header("x-spark-team", team));
    CHECK_MESSAGE(answer.status().code() == StatusCode::kInvalidArgument, team);
  }
  CHECK(Decide(R"({"default_environment": "prod"})", CallFrom("alice").Header("x-spark-team", "data--eng-2"))
            .get<sgw::Route>()
            ->namespace_ == "sjns-data--eng-2-prod");
  const auto glued = Decide("{}", CallFrom("alice").Header("x-spark-team", "a").Header("x-spark-environment", "b-c"));
  CHECK(glued.status().code() == StatusCode::kInvalidArgument);
}

namespace {

using Names = std::vector<std::string>;

// All names of up to so many of these letters, without a '-' at an end.
Names AllNames(const std::string& letters, std::size_t most) {
  Names names, open = {""};
  for (std::size_t size = 1; size <= most; ++size) {
    Names longer;
    for (const std::string& name : open) {
      for (const char letter : letters) longer.push_back(name + letter);
    }
    std::copy_if(longer.begin(), longer.end(), std::back_inserter(names),
                 [](const std::string& name) { return name.front() != '-' && name.back() != '-'; });
    open = std::move(longer);
  }
  return names;
}

}  // namespace

TEST_CASE("pieces can never be glued into another team's name: no two callers' pieces give one namespace") {
  // The letters of the templates, so that names look like what stands between them. Some are refused as pieces.
  const Names teams = AllNames("ab-", 4), pieces = AllNames("ab-", 3);
  for (const std::string space :
       {"sjns-{team}-{environment}", "{environment}-{team}-{user}", "{team}-a{user}-{environment}b",
        "{user}a-{team}-b-{environment}-{user}", "a-{environment}-{user}-b{team}"}) {
    TestHost host;
    PluginUnderTest router(host, Linked<HeaderRouter, HeaderRouterSettings>(), R"({"namespace": ")" + space + R"("})");
    REQUIRE(router.created().ok());
    const bool has_user = space.find("{user}") != std::string::npos;
    std::map<std::string, std::tuple<std::string, std::string, std::string>> owners;
    const auto check = [&](const std::string& team, const std::string& environment, const std::string& user) {
      const auto answer =
          router.Decide(CallFrom(user).Header("x-spark-team", team).Header("x-spark-environment", environment)).now();
      if (!answer.get<sgw::Route>()) return;
      const std::tuple mine(team, environment, has_user ? user : "");
      const auto& owner = owners.emplace(answer.get<sgw::Route>()->namespace_, mine).first->second;
      if (owner != mine) FAIL(space, ": ", answer.get<sgw::Route>()->namespace_);
    };
    for (const std::string& team : teams) {
      for (const std::string& environment : pieces) {
        for (const std::string& user : has_user ? pieces : Names{"alice"}) check(team, environment, user);
      }
    }
    std::mt19937 random(20);
    const auto any = [&](const std::string& letters) {
      std::string name;
      for (auto size = 1 + random() % 12; name.size() < size;) name += letters[random() % letters.size()];
      for (char* end : {&name.front(), &name.back()}) *end = *end == '-' ? 'a' : *end;
      return name;
    };
    for (int i = 0; i < 2000; ++i) check(any("ab-"), any("ab"), any("ab"));
    CHECK(owners.size() > 2000);
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
  // What a provider calls a group may be no name of a team at all.
  const auto odd =
      Decide(R"({"rules": [{"teams": ["{group}"], "groups": ["*"]}]})", Asks("al", {"a\nb\x86"}, "ml", "dev"));
  CHECK(odd.status().message() == "You may not use team 'ml' in environment 'dev'. Your teams are: a?b?.");
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

TEST_CASE("a team whose name has a '-' is one like any other, and a refusal does not tell whether there is one") {
  const auto answer = Decide(kRules, Asks("alice", {"ads"}, "data-eng", "prod"));
  REQUIRE(answer.get<sgw::Route>());
  CHECK(answer.get<sgw::Route>()->namespace_ == "sjns-data-eng-prod");
  CHECK(Decide(kRules, Asks("ci", {}, "data-x", "dev")).get<sgw::Route>());
  for (const std::string team : {"data-eng", "data-nix"}) {
    const auto refused = Decide(kRules, Asks("bob", {}, team.c_str(), "dev")).status();
    CHECK(refused.code() == StatusCode::kPermissionDenied);
    CHECK(refused.message() == "You may not use team '" + team + "' in environment 'dev'.");
  }
}

TEST_CASE("a team with a '-' may be a default, a group's or a claim's") {
  const auto of = [](const char* settings, const FakeCall& call) {
    const auto answer = Decide(settings, call);
    return answer.get<sgw::Route>() ? answer.get<sgw::Route>()->namespace_ : std::string(answer.status().message());
  };
  CHECK(of(R"({"default_team": "data-eng", "default_environment": "dev"})", CallFrom("alice")) == "sjns-data-eng-dev");
  const char* rules = R"({"default_environment": "dev", "allowed": ["data-sci/*"], "rules": [
      {"groups": ["data-*"], "teams": ["{group}"], "default_team": "{group}"},
      {"teams": ["{claim:team}"], "default_team": "{claim:team}"}]})";
  CHECK(of(rules, CallFrom("alice").Groups({"data-sci"})) == "sjns-data-sci-dev");
  CHECK(of(rules, FakeCall().As({.subject = "alice", .claims = {{"team", "data-sci"}}})) == "sjns-data-sci-dev");
  CHECK(of(R"({"hosts": {"sci.spark.example.com": "data-sci/dev"}})",
           CallFrom("a").Authority("sci.spark.example.com")) == "sjns-data-sci-dev");
}

TEST_CASE("rules see the realm of the caller, and whether a service has named them") {
  const char* settings = R"({"default_environment": "dev", "rules": [
      {"subjects": ["root"], "realms": ["okta"], "teams": ["adm"]},
      {"subjects": ["bot"], "delegated": true, "teams": ["adm"]}]})";
  const auto may = [&](sgw::Identity who) {
    return Decide(settings, FakeCall().As(std::move(who)).Header("x-spark-team", "adm")).get<sgw::Route>() != nullptr;
  };
  CHECK(may({.subject = "root", .realm = "okta"}));
  CHECK_FALSE(may({.subject = "root", .realm = "partners"}));
  CHECK_FALSE(may({.subject = "root"}));
  CHECK_FALSE(may({.subject = "root", .actor = "playground", .realm = "okta"}));
  CHECK(may({.subject = "bot", .actor = "playground"}));
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
  // An empty list would open everything, or nothing.
  refused(R"({"rules": []})", "rules: has no rule");
  refused(R"({"allowed": []})", "allowed: has no pair");
  refused(R"({"namespace": "-{team}"})", "namespace: '-{team}' gives no DNS label");
  // "ab" and "c" would be "a" and "bc".
  refused(R"({"namespace": "{team}{environment}"})", "namespace: '{team}{environment}' gives one namespace");
  refused(R"({"namespace": "a-{team}x{user}"})", "namespace: 'a-{team}x{user}' gives one namespace");
  refused(R"({"allowed": ["ads"]})", "allowed: 'ads' is not team/environment");
  refused(R"({"allowed": ["ads/a-b"]})", "allowed: 'ads/a-b': an environment has letters a-z and digits only");
  refused(R"({"namespace": "{team}-{environment}-{team}"})",
          "namespace: '{team}-{environment}-{team}' has {team} twice");
  refused(R"({"allowed": ["data-/prod"]})", "allowed: 'data-/prod' is not team/environment");
  refused(R"({"hosts": {"h": "ads/*"}})", "hosts.h: 'ads/*' is not team/environment");
  refused(R"({"hosts": {"h:15002": "ads/dev"}})", "hosts.h:15002: write the host without its port");
  refused(R"({"default_team": "Ads"})", "default_team: 'Ads' is no name of a team");
  refused(R"({"default_environment": "a-b"})", "default_environment: 'a-b' has more than letters");
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
