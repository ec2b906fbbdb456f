#include "rules.h"

#include <sgw/pattern.h>

#include <algorithm>
#include <optional>

namespace sgw::plugins {
namespace {

using Names = std::vector<std::string>;

// The names that a text of a rule stands for with this caller: itself, the caller's claim, or the caller's groups as
// far as the rule is about them.
Names Expanded(const std::string& text, const Rule& rule, const Identity& caller) {
  if (text.starts_with("{claim:") && text.ends_with('}')) {
    const std::string* const claim = Find(caller.claims, text.substr(7, text.size() - 8));
    return claim ? Names{*claim} : Names();
  }
  if (text != "{group}") return {text};
  Names groups;
  for (const std::string& group : caller.groups) {
    if (MatchesAny(group, rule.groups)) groups.push_back(group);
  }
  return groups;
}

bool IsReference(const std::string& text) { return text.starts_with('{'); }
bool IsKnownReference(const std::string& text) {
  return text == "{group}" || (text.starts_with("{claim:") && text.ends_with('}'));
}

// Names of steps are alike with '-' and '_'.
bool IsOfRealm(std::string realm, const Names& realms) {
  std::replace(realm.begin(), realm.end(), '-', '_');
  return std::any_of(realms.begin(), realms.end(), [&realm](std::string pattern) {
    std::replace(pattern.begin(), pattern.end(), '-', '_');
    return MatchesPattern(realm, pattern);
  });
}

bool IsAbout(const Rule& rule, const Identity& caller) {
  if (!rule.realms.empty() && !IsOfRealm(caller.realm, rule.realms)) return false;
  if (rule.groups.empty() && rule.subjects.empty()) return true;
  const bool is_named_by_a_service = !caller.actor.empty() && !rule.delegated;
  return (!is_named_by_a_service && MatchesAny(caller.subject, rule.subjects)) ||
         std::any_of(caller.groups.begin(), caller.groups.end(),
                     [&](const std::string& group) { return MatchesAny(group, rule.groups); });
}

bool AllowsTeam(const Rule& rule, const Identity& caller, std::string_view team) {
  if (rule.teams.empty()) return true;
  return std::any_of(rule.teams.begin(), rule.teams.end(), [&](const std::string& text) {
    // What a caller brings along is a name, never a pattern.
    if (!IsReference(text)) return MatchesPattern(team, text);
    const Names names = Expanded(text, rule, caller);
    return std::find(names.begin(), names.end(), team) != names.end();
  });
}

// A `*` stops at a '-': that of "sjns-ads-*" is an environment, and never the rest of a longer team with one.
bool MatchesNamespace(std::string_view name, std::string_view pattern) {
  for (;;) {
    const auto name_end = name.find('-');
    const auto pattern_end = pattern.find('-');
    if (!MatchesPattern(name.substr(0, name_end), pattern.substr(0, pattern_end))) return false;
    if (name_end == std::string_view::npos || pattern_end == std::string_view::npos) return name_end == pattern_end;
    name.remove_prefix(name_end + 1);
    pattern.remove_prefix(pattern_end + 1);
  }
}

bool AllowsNamespace(const Rule& rule, std::string_view name) {
  return rule.namespaces.empty() ||
         std::any_of(rule.namespaces.begin(), rule.namespaces.end(),
                     [&](const std::string& pattern) { return MatchesNamespace(name, pattern); });
}

std::string FirstDefault(const std::vector<Rule>& rules, const Identity& caller, std::string Rule::*which) {
  for (const Rule& rule : rules) {
    if ((rule.*which).empty() || !IsAbout(rule, caller)) continue;
    if (const Names names = Expanded(rule.*which, rule, caller); !names.empty()) return names.front();
  }
  return "";
}

}  // namespace

Status Rule::Validate() const {
  if (delegated && subjects.empty()) return InvalidArgument("delegated is about subjects, and the rule has none");
  for (const Names* names : {&realms, &teams, &environments, &namespaces}) {
    for (const std::string& text : *names) {
      if (text.empty()) return InvalidArgument("a name of a rule is empty");
      if (IsReference(text) && (names != &teams || !IsKnownReference(text))) {
        return InvalidArgument("'" + text + "' is no name; teams may be {claim:NAME} or {group}");
      }
    }
  }
  for (const std::string& text : {default_team, default_environment}) {
    if (IsReference(text) && !IsKnownReference(text)) {
      return InvalidArgument("'" + text + "' is no default; it may be a name, {claim:NAME} or {group}");
    }
  }
  std::vector<std::string> seen;
  for (const RuleLimits& limit : limits) {
    const std::string& per = limit.per;
    if (per != "subject" && per != "group" && per != "team") {
      return InvalidArgument("limits.per: must be subject, group or team, not '" + per + "'");
    }
    if (std::find(seen.begin(), seen.end(), per) != seen.end()) {
      return InvalidArgument("limits: a rule has one limit per " + per);
    }
    seen.push_back(per);
    for (const std::int64_t value : {limit.sessions, limit.operations, limit.calls_per_second, limit.burst}) {
      if (value < 0) return InvalidArgument("limits: cannot be negative");
    }
    if (limit.burst > 0 && limit.calls_per_second == 0) return InvalidArgument("limits: burst needs calls_per_second");
  }
  return {};
}

std::string DefaultTeam(const std::vector<Rule>& rules, const Identity& caller) {
  return FirstDefault(rules, caller, &Rule::default_team);
}

std::string DefaultEnvironment(const std::vector<Rule>& rules, const Identity& caller) {
  return FirstDefault(rules, caller, &Rule::default_environment);
}

const Rule* FindRule(const std::vector<Rule>& rules, const Identity& caller, std::string_view team,
                     std::string_view environment, std::string_view name_space) {
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) {
    return IsAbout(rule, caller) && AllowsTeam(rule, caller, team) &&
           (rule.environments.empty() || MatchesAny(environment, rule.environments)) &&
           AllowsNamespace(rule, name_space);
  });
  return found == rules.end() ? nullptr : &*found;
}

std::vector<std::string> TeamsOf(const std::vector<Rule>& rules, const Identity& caller) {
  Names teams;
  for (const Rule& rule : rules) {
    if (!IsAbout(rule, caller)) continue;
    for (const std::string& text : rule.teams) {
      for (const std::string& team : Expanded(text, rule, caller)) {
        const bool is_plain = team.find('*') == std::string::npos;
        if (is_plain && std::find(teams.begin(), teams.end(), team) == teams.end()) teams.push_back(team);
      }
    }
  }
  return teams;
}

void SetLimits(const Rule& rule, std::size_t number, const Identity& caller, std::string_view team, Policy& policy) {
  const auto set = [](std::int64_t limit) { return limit > 0 ? std::optional(limit) : std::nullopt; };
  for (const RuleLimits& limit : rule.limits) {
    Limit shared{.max_sessions = set(limit.sessions),
                 .max_operations = set(limit.operations),
                 .calls_per_second = set(limit.calls_per_second),
                 .burst = set(limit.burst)};
    if (limit.per == "subject") {
      policy.max_sessions = shared.max_sessions;
      policy.max_operations = shared.max_operations;
      policy.calls_per_second = shared.calls_per_second;
      policy.burst = shared.burst;
      continue;
    }
    shared.name = "team " + std::string(team);
    if (limit.per == "group") {
      const auto group = std::find_if(caller.groups.begin(), caller.groups.end(),
                                      [&](const std::string& one) { return MatchesAny(one, rule.groups); });
      // Those whom the rule names, or everybody.
      shared.name = group == caller.groups.end() ? "rule " + std::to_string(number) : "group " + *group;
      // The same name in another realm is another group, where the rule tells them apart. In front, as long names are
      // cut.
      for (const std::string& realm : rule.realms) shared.name.insert(0, realm + " ");
    }
    policy.limits.push_back(std::move(shared));
  }
}

}  // namespace sgw::plugins
