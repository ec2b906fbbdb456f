// Rules: which callers may use which team, environment and namespace, and within which limits.
#pragma once

#include <sgw/plugin.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sgw::plugins {

// A limit of the callers of one rule. 0: none.
struct RuleLimits {
  std::string per = "subject";
  std::int64_t sessions = 0;
  std::int64_t operations = 0;
  std::int64_t calls_per_second = 0;
  std::int64_t burst = 0;

  static constexpr auto kSchema = Settings(
      Setting("per", &RuleLimits::per, "Whose calls count together: those of each `subject`, `group` or `team`."),
      Setting("sessions", &RuleLimits::sessions, "Sessions at a time."),
      Setting("operations", &RuleLimits::operations, "Operations that run at a time."),
      Setting("calls_per_second", &RuleLimits::calls_per_second,
              "Calls in a second; releases, interrupts and error details are free."),
      Setting("burst", &RuleLimits::burst, "Calls that may come at once; without it as many as in a second."));
};

// One rule. In lists of names `*` stands for any text; an empty list leaves the question open: any caller, any team.
// `subjects` never means somebody for whom a service acts, unless the rule is `delegated`: the service may choose the
// name.
struct Rule {
  std::vector<std::string> groups{};
  std::vector<std::string> subjects{};
  std::vector<std::string> realms{};
  bool delegated = false;
  std::vector<std::string> teams{};
  std::vector<std::string> environments{};
  std::vector<std::string> namespaces{};
  std::string default_team{};
  std::string default_environment{};
  std::vector<RuleLimits> limits{};

  static constexpr auto kSchema = Settings(
      Setting("groups", &Rule::groups, "Callers in one of these groups."),
      Setting("subjects", &Rule::subjects, "Callers with one of these names, besides those in the groups."),
      Setting("realms", &Rule::realms,
              "Only callers whom one of these auth steps knew, of several. Empty: of all of them."),
      Setting("delegated", &Rule::delegated,
              "Whether `subjects` also means people for whom a service acts; it may choose their names."),
      Setting("teams", &Rule::teams,
              "Teams that they may use; `{claim:NAME}` is the caller's claim, `{group}` the group."),
      Setting("environments", &Rule::environments, "Environments that they may use."),
      Setting("namespaces", &Rule::namespaces, "Namespaces that they may use; here `*` stands for text without '-'."),
      Setting("default_team", &Rule::default_team,
              "Their team when a call names none; may be `{claim:NAME}` or `{group}`."),
      Setting("default_environment", &Rule::default_environment, "Their environment when a call names none."),
      Setting("limits", &Rule::limits, "What they may have at a time: each alone, and together."));

  Status Validate() const;
};

// The first rule that is about the caller and says a default; empty when none does.
std::string DefaultTeam(const std::vector<Rule>& rules, const Identity& caller);
std::string DefaultEnvironment(const std::vector<Rule>& rules, const Identity& caller);

// The first rule that allows the caller this place; null when none does.
const Rule* FindRule(const std::vector<Rule>& rules, const Identity& caller, std::string_view team,
                     std::string_view environment, std::string_view name_space);

// The teams that rules name for the caller without `*`, each once, in their order: what a refusal may show.
std::vector<std::string> TeamsOf(const std::vector<Rule>& rules, const Identity& caller);

// Puts the limits of the rule into the policy of a Route of this team. `number`: its place among the rules, from 1 on.
void SetLimits(const Rule& rule, std::size_t number, const Identity& caller, std::string_view team, Policy& policy);

}  // namespace sgw::plugins
