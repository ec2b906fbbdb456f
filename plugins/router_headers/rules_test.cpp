#include "rules.h"

#include <doctest/doctest.h>

using namespace sgw;
using namespace sgw::plugins;

namespace {

Identity Caller(std::string subject, std::vector<std::string> groups = {}, StringMap claims = {}) {
  return {.subject = std::move(subject), .groups = std::move(groups), .claims = std::move(claims)};
}

bool May(const std::vector<Rule>& rules, const Identity& caller, const std::string& team,
         const std::string& environment) {
  return FindRule(rules, caller, team, environment, "sjns-" + team + "-" + environment) != nullptr;
}

}  // namespace

TEST_CASE("a rule allows its groups and subjects its teams and environments, and nobody else anything") {
  const std::vector<Rule> rules = {
      {.groups = {"ads"}, .teams = {"ads"}, .environments = {"dev", "prod"}},
      {.subjects = {"ci-*"}, .teams = {"*"}, .environments = {"dev"}},
  };
  CHECK(May(rules, Caller("alice", {"x", "ads"}), "ads", "prod"));
  CHECK_FALSE(May(rules, Caller("alice", {"ads"}), "ads", "staging"));
  CHECK_FALSE(May(rules, Caller("alice", {"ads"}), "ml", "dev"));
  CHECK_FALSE(May(rules, Caller("alice", {"ads2"}), "ads", "dev"));
  CHECK_FALSE(May(rules, Caller("ads"), "ads", "dev"));  // a name is no group
  CHECK(May(rules, Caller("ci-7"), "ml", "dev"));
  CHECK_FALSE(May(rules, Caller("ci-7"), "ml", "prod"));
  CHECK_FALSE(May({}, Caller("alice", {"ads"}), "ads", "dev"));
}

TEST_CASE("namespaces can be allowed by their own names") {
  const std::vector<Rule> rules = {{.groups = {"ads"}, .namespaces = {"sjns-ads-*"}}};
  CHECK(May(rules, Caller("alice", {"ads"}), "ads", "dev"));
  CHECK_FALSE(May(rules, Caller("alice", {"ads"}), "adsx", "dev"));
  // Nor is it a longer team's: a `*` is no '-'.
  CHECK_FALSE(May(rules, Caller("alice", {"ads"}), "ads-secret", "dev"));
  CHECK_FALSE(May({{.namespaces = {"sjns-*"}}}, Caller("alice"), "ads", "dev"));
  CHECK(May({{.namespaces = {"other", "*-*-dev"}}}, Caller("alice"), "ads", "dev"));
  CHECK_FALSE(May({{.namespaces = {"*-*-dev-"}}}, Caller("alice"), "ads", "dev"));
}

TEST_CASE("a rule with realms is about callers of those alone: one name in two realms is two people") {
  const auto of = [](std::string realm) {
    Identity caller = Caller("root", {"ads"});
    caller.realm = std::move(realm);
    return caller;
  };
  for (const Rule& rule : {Rule{.subjects = {"root"}, .realms = {"okta"}, .teams = {"adm"}},
                           Rule{.groups = {"ads"}, .realms = {"okta"}, .teams = {"adm"}},
                           Rule{.realms = {"okta"}, .teams = {"adm"}, .default_team = "adm"}}) {
    CHECK(May({rule}, of("okta"), "adm", "dev"));
    for (const char* other : {"partners", "Okta", "okta2", ""}) {
      CAPTURE(other);
      CHECK_FALSE(May({rule}, of(other), "adm", "dev"));
      CHECK(DefaultTeam({rule}, of(other)).empty());
      CHECK(TeamsOf({rule}, of(other)).empty());
    }
  }
  CHECK(May({{.subjects = {"root"}, .realms = {"corp-*"}}}, of("corp-eu"), "adm", "dev"));
  CHECK(May({{.subjects = {"root"}}}, of("partners"), "adm", "dev"));  // without realms: of all of them
  // As everywhere in names of steps.
  CHECK(May({{.subjects = {"root"}, .realms = {"corp_eu"}}}, of("corp-eu"), "adm", "dev"));
  CHECK_FALSE(May({{.subjects = {"root"}, .realms = {"corp_eu"}}}, of("corpxeu"), "adm", "dev"));
}

TEST_CASE("a rule's subjects are not those whom a service names, unless it says so; its groups are") {
  Identity ci = Caller("ci", {"play"});
  ci.actor = "playground";
  CHECK_FALSE(May({{.subjects = {"ci"}, .teams = {"adm"}}}, ci, "adm", "dev"));
  CHECK_FALSE(May({{.subjects = {"*"}, .teams = {"adm"}}}, ci, "adm", "dev"));
  CHECK(DefaultTeam({{.subjects = {"ci"}, .default_team = "adm"}}, ci).empty());
  CHECK(TeamsOf({{.subjects = {"ci"}, .teams = {"adm"}}}, ci).empty());
  CHECK(May({{.subjects = {"ci"}, .delegated = true, .teams = {"adm"}}}, ci, "adm", "dev"));
  CHECK(May({{.groups = {"play"}, .subjects = {"ci"}, .teams = {"play"}}}, ci, "play", "dev"));
  CHECK_FALSE(May({{.groups = {"adm"}, .subjects = {"ci"}, .teams = {"adm"}}}, ci, "adm", "dev"));
  CHECK(May({{.subjects = {"ci"}, .teams = {"adm"}}}, Caller("ci"), "adm", "dev"));
}

TEST_CASE("a team may come from a claim or a group, letter for letter") {
  const std::vector<Rule> claim = {{.teams = {"{claim:team}"}}};
  CHECK(May(claim, Caller("alice", {}, {{"team", "ads"}}), "ads", "dev"));
  CHECK_FALSE(May(claim, Caller("alice", {}, {{"team", "ads"}}), "ml", "dev"));
  CHECK_FALSE(May(claim, Caller("mallory", {}, {{"team", "*"}}), "ml", "dev"));  // a claim is no pattern
  CHECK_FALSE(May(claim, Caller("mallory"), "ml", "dev"));
  const std::vector<Rule> group = {{.groups = {"team-*"}, .teams = {"{group}"}}};
  CHECK(May(group, Caller("alice", {"team-ads", "other"}), "team-ads", "dev"));
  CHECK_FALSE(May(group, Caller("alice", {"team-ads", "other"}), "other", "dev"));
}

TEST_CASE("the first rule about the caller gives the default team and environment") {
  const std::vector<Rule> rules = {
      {.groups = {"ads"}, .default_team = "ads", .default_environment = "prod"},
      {.default_team = "{claim:team}", .default_environment = "dev"},
  };
  CHECK(DefaultTeam(rules, Caller("alice", {"ads"})) == "ads");
  CHECK(DefaultEnvironment(rules, Caller("alice", {"ads"})) == "prod");
  CHECK(DefaultTeam(rules, Caller("bob", {}, {{"team", "ml"}})) == "ml");
  CHECK(DefaultTeam(rules, Caller("carol")).empty());
  CHECK(DefaultEnvironment(rules, Caller("carol")) == "dev");
}

TEST_CASE("the teams that a refusal may show are the caller's own") {
  const std::vector<Rule> rules = {{.groups = {"ads"}, .teams = {"ads", "shared"}},
                                   {.groups = {"ml"}, .teams = {"ml", "shared"}},
                                   {.groups = {"admins"}, .teams = {"*"}},
                                   {.teams = {"{claim:team}"}}};
  CHECK(TeamsOf(rules, Caller("a", {"ads"})) == std::vector<std::string>{"ads", "shared"});
  CHECK(TeamsOf(rules, Caller("a", {"ads", "ml"}, {{"team", "x"}})) ==
        std::vector<std::string>{"ads", "shared", "ml", "x"});
  CHECK(TeamsOf(rules, Caller("a", {"admins"})).empty());
}

TEST_CASE("limits are each caller's own, and shared by a group or a team, in one rule") {
  const auto limits_of = [](const Rule& rule, const Identity& caller) {
    Policy policy;
    SetLimits(rule, 4, caller, "ads", policy);
    return policy;
  };
  CHECK(limits_of({.limits = {{.sessions = 3, .calls_per_second = 5, .burst = 50}}}, Caller("alice")) ==
        Policy{.max_sessions = 3, .calls_per_second = 5, .burst = 50});
  const Rule shared = {.groups = {"ad*"},
                       .subjects = {"ci"},
                       .limits = {{.per = "team", .operations = 5}, {.per = "group", .calls_per_second = 7}}};
  CHECK(limits_of(shared, Caller("alice", {"x", "ads"})).limits ==
        std::vector<Limit>{{.name = "team ads", .max_operations = 5}, {.name = "group ads", .calls_per_second = 7}});
  CHECK(limits_of(shared, Caller("ci")).limits[1].name == "rule 4");
  CHECK(limits_of({}, Caller("alice")) == Policy());

  const Rule partners = {.groups = {"ads"}, .realms = {"partners"}, .limits = {{.per = "group", .sessions = 1}}};
  CHECK(limits_of(partners, Caller("alice", {"ads"})).limits[0].name == "partners group ads");
}

TEST_CASE("rules that mean nothing are refused") {
  CHECK(Rule{.teams = {"{group}", "{claim:team}"}}.Validate().ok());
  CHECK_FALSE(Rule{.teams = {"{team}"}}.Validate().ok());
  CHECK_FALSE(Rule{.environments = {"{group}"}}.Validate().ok());
  CHECK_FALSE(Rule{.teams = {""}}.Validate().ok());
  CHECK(Rule{.default_team = "{claim:team}", .default_environment = "dev"}.Validate().ok());
  CHECK_FALSE(Rule{.default_team = "{clam:team}"}.Validate().ok());
  CHECK_FALSE(Rule{.realms = {""}}.Validate().ok());
  CHECK(Rule{.subjects = {"ci"}, .delegated = true}.Validate().ok());
  CHECK_FALSE(Rule{.groups = {"ads"}, .delegated = true}.Validate().ok());
  CHECK(Rule{.limits = {{.sessions = 1}, {.per = "team", .calls_per_second = 1, .burst = 9}}}.Validate().ok());
  CHECK_FALSE(Rule{.limits = {{.per = "all"}}}.Validate().ok());
  CHECK_FALSE(Rule{.limits = {{.sessions = -1}}}.Validate().ok());
  CHECK_FALSE(Rule{.limits = {{.burst = 9}}}.Validate().ok());
  CHECK_FALSE(Rule{.limits = {{.sessions = 1}, {.operations = 1}}}.Validate().ok());
}
