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

TEST_CASE("limits are the caller's own, or shared by a group or a team") {
  Policy own;
  SetLimits({.limits = {.sessions = 3}}, Caller("alice"), "ads", own);
  CHECK(own == Policy{.max_sessions = 3});
  Policy team;
  SetLimits({.limits = {.per = "team", .operations = 5}}, Caller("alice"), "ads", team);
  CHECK(team.limits == std::vector<Limit>{{.name = "team ads", .max_operations = 5}});
  Policy group;
  SetLimits({.groups = {"ad*"}, .limits = {.per = "group", .calls_per_second = 7}}, Caller("alice", {"x", "ads"}), "t",
            group);
  CHECK(group.limits == std::vector<Limit>{{.name = "group ads", .calls_per_second = 7}});
  Policy none;
  SetLimits({.limits = {.per = "team"}}, Caller("alice"), "ads", none);
  CHECK(none == Policy());
}

TEST_CASE("rules that mean nothing are refused") {
  CHECK(Rule{.teams = {"{group}", "{claim:team}"}}.Validate().ok());
  CHECK_FALSE(Rule{.teams = {"{team}"}}.Validate().ok());
  CHECK_FALSE(Rule{.environments = {"{group}"}}.Validate().ok());
  CHECK_FALSE(Rule{.teams = {""}}.Validate().ok());
  CHECK_FALSE(Rule{.limits = {.per = "all"}}.Validate().ok());
  CHECK_FALSE(Rule{.limits = {.sessions = -1}}.Validate().ok());
}
