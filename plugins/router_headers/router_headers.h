// HeaderRouter finds the team and the environment of a call in its headers, in the host name that it named, or in the
// defaults, and makes a namespace of them.
#pragma once

#include <sgw/plugin.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rules.h"

namespace sgw::plugins {

// A header that becomes an attribute of the Route.
struct AttributeRule {
  std::string header;
  std::string name;
  std::vector<std::string> values;

  static constexpr auto kSchema =
      Settings(Setting("header", &AttributeRule::header, "Request header, in lower case.", kRequired),
               Setting("name", &AttributeRule::name, "Name of the attribute, as the pool knows it.", kRequired),
               Setting("values", &AttributeRule::values, "The values that callers may ask for.", kRequired));
};

struct HeaderRouterSettings {
  std::string namespace_ = "sjns-{team}-{environment}";
  std::vector<std::string> team_headers = {"x-spark-team"};
  std::vector<std::string> environment_headers = {"x-spark-environment"};
  std::string default_team;
  std::string default_environment;
  Table<std::string> hosts;
  std::optional<std::vector<std::string>> allowed;
  std::optional<std::vector<Rule>> rules;
  std::vector<AttributeRule> attributes;

  static constexpr auto kSchema = Settings(
      Setting("namespace", &HeaderRouterSettings::namespace_,
              "Template of the namespace, with {team}, {environment}, {user} and {user_hash}."),
      Setting("team_headers", &HeaderRouterSettings::team_headers,
              "Headers that may name the team; two different values are refused."),
      Setting("environment_headers", &HeaderRouterSettings::environment_headers, "The same for the environment."),
      Setting("default_team", &HeaderRouterSettings::default_team, "Team of a call that names none."),
      Setting("default_environment", &HeaderRouterSettings::default_environment,
              "Environment of a call that names none."),
      Setting("hosts", &HeaderRouterSettings::hosts, "Host name that the client connects to, to team/environment."),
      Setting("allowed", &HeaderRouterSettings::allowed,
              "The pairs that exist: team/environment or team/*. Without it every pair does."),
      Setting("rules", &HeaderRouterSettings::rules,
              "Who may use what; a call that no rule allows is refused. Without rules everybody may use every pair."),
      Setting("attributes", &HeaderRouterSettings::attributes, "Headers that become attributes for the pool."));

  Status Validate() const;
};

class HeaderRouter : public Router {
 public:
  static constexpr bool kMaySayNext = false;

  explicit HeaderRouter(HeaderRouterSettings settings);
  RouterAnswer Decide(const RouterCall& call) override;

 private:
  struct Place {
    std::string team;
    std::string environment;
  };
  std::string Url(const RouterCall& call, std::string_view parameters) const;
  bool IsAllowed(const Place& place) const;
  // A sentence with the caller's teams; empty when no rule names one.
  std::string Yours(const Identity& caller) const;
  Status MayNotUse(const Place& place, const Identity& caller) const;

  const HeaderRouterSettings settings_;
  const std::vector<Rule> rules_;             // of the settings
  std::map<std::string, std::string> hosts_;  // in lower case
};

}  // namespace sgw::plugins
