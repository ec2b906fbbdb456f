#include "router_headers.h"

#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace sgw::plugins {
namespace {

constexpr std::size_t kMaxLabel = 63;  // RFC 1123
constexpr const char* kTeamLetters = "letters a-z, digits, and '-' between them";

bool IsLabel(std::string_view text) {
  if (text.empty() || text.size() > kMaxLabel || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// A piece of the namespace besides the team: letters and digits alone. So the first and the last '-' of a namespace end
// the pieces beside the team, whatever '-' the team has: "a-b"+"prod" is never "a"+"b-prod".
bool IsPiece(std::string_view text) { return IsLabel(text) && text.find('-') == std::string_view::npos; }

// 65 bits of SHA-256, as 13 letters and digits: stable over versions and machines, and nobody finds a name that gives
// another's.
std::string UserHash(std::string_view subject) {
  unsigned char digest[EVP_MAX_MD_SIZE] = {};
  EVP_Digest(subject.data(), subject.size(), digest, nullptr, EVP_sha256(), nullptr);
  static constexpr char kDigits[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  for (unsigned bit = 0; text.size() < 13; bit += 5) {
    const unsigned two_bytes = digest[bit / 8] << 8 | digest[bit / 8 + 1];
    text += kDigits[two_bytes >> (11 - bit % 8) & 31];
  }
  return text;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

std::string Shown(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 64)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown;
}

// Empty: a request header that may say where a call belongs.
std::string WhatIsWrongWith(const std::string& header) {
  constexpr std::string_view kNames = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  if (header.empty() || header.find_first_not_of(kNames) != std::string::npos)
    return "'" + header + "' is no name of a header in lower case";
  for (const char* secret : {"authorization", "authentication", "proxy-authorization", "cookie"}) {
    if (header == secret) return "'" + header + "' carries a credential, and what names a team is shown to people";
  }
  return "";
}

void Replace(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

Status HeaderRouterSettings::Validate() const {
  std::string plain = namespace_;
  for (const char* piece : {"{team}", "{environment}", "{user}", "{user_hash}"}) Replace(plain, piece, "x");
  if (!IsLabel(plain)) {
    return InvalidArgument("namespace: '" + namespace_ +
                           "' gives no DNS label; use a-z, 0-9, '-' and {team}, {environment}, {user}, {user_hash}");
  }
  for (auto close = namespace_.find('}'); close != std::string::npos; close = namespace_.find('}', close + 1)) {
    const auto open = namespace_.find('{', close);
    if (open != std::string::npos && namespace_.substr(close, open - close).find('-') == std::string::npos) {
      return InvalidArgument("namespace: '" + namespace_ +
                             "' gives one namespace to different callers; put a '-' between two pieces");
    }
  }
  if (namespace_.find("{team}") != namespace_.rfind("{team}")) {
    return InvalidArgument("namespace: '" + namespace_ + "' has {team} twice; once says it all");
  }
  // What is wrong with a pair; empty: nothing.
  const auto problem = [](const std::string& pair, bool may_be_any) -> std::string {
    const auto slash = pair.find('/');
    const std::string team = pair.substr(0, slash);
    const std::string environment = slash == std::string::npos ? "" : pair.substr(slash + 1);
    if (IsLabel(team) && (IsPiece(environment) || (may_be_any && environment == "*"))) return "";
    if (IsLabel(team) && IsLabel(environment)) return "'" + pair + "': an environment has letters a-z and digits only";
    return "'" + pair + "' is not team/environment" + (may_be_any ? " or team/*" : "");
  };
  for (const auto& [what, names] :
       {std::pair("team_headers", &team_headers), std::pair("environment_headers", &environment_headers)}) {
    for (const std::string& name : *names) {
      if (const std::string wrong = WhatIsWrongWith(name); !wrong.empty())
        return InvalidArgument(std::string(what) + ": " + wrong);
    }
  }
  for (const AttributeRule& rule : attributes) {
    if (const std::string wrong = WhatIsWrongWith(rule.header); !wrong.empty())
      return InvalidArgument("attributes: " + wrong);
  }
  // An empty list is more likely a mistake of what wrote it than the wish to open everything, or nothing.
  if (allowed && allowed->empty()) {
    return InvalidArgument("allowed: has no pair, so nobody could use anything; leave it out where every pair exists");
  }
  for (const auto& pair : allowed.value_or(std::vector<std::string>())) {
    if (const std::string what = problem(pair, true); !what.empty()) return InvalidArgument("allowed: " + what);
  }
  for (const auto& [host, pair] : hosts) {
    if (host.find(':') != std::string::npos && !host.ends_with(']')) {
      return InvalidArgument("hosts." + host + ": write the host without its port");
    }
    if (const std::string what = problem(pair, false); !what.empty())
      return InvalidArgument("hosts." + host + ": " + what);
  }
  if (rules && rules->empty()) {
    return InvalidArgument(
        "rules: has no rule, so nobody could use anything; leave it out where everybody may use every pair");
  }
  for (const Rule& rule : rules.value_or(std::vector<Rule>())) {
    if (Status status = rule.Validate(); !status.ok()) return InvalidArgument("rules: " + status.message());
  }
  if (!default_team.empty() && !IsLabel(default_team)) {
    return InvalidArgument("default_team: '" + default_team + "' is no name of a team: it has " + kTeamLetters);
  }
  if (!default_environment.empty() && !IsPiece(default_environment)) {
    return InvalidArgument("default_environment: '" + default_environment + "' has more than letters a-z and digits");
  }
  return {};
}

HeaderRouter::HeaderRouter(HeaderRouterSettings settings)
    : settings_(std::move(settings)), rules_(settings_.rules.value_or(std::vector<Rule>())) {
  for (const auto& [host, pair] : settings_.hosts) hosts_[Lower(host)] = pair;
}

std::string HeaderRouter::Url(const RouterCall& call, std::string_view parameters) const {
  const std::string host = call.authority().empty() ? "<gateway>:15002" : Shown(call.authority());
  return "sc://" + host + "/;" + std::string(parameters);
}

bool HeaderRouter::IsAllowed(const Place& place) const {
  if (!settings_.allowed) return true;
  return std::any_of(settings_.allowed->begin(), settings_.allowed->end(), [&](const std::string& pair) {
    return pair == place.team + "/" + place.environment || pair == place.team + "/*";
  });
}

std::string HeaderRouter::Yours(const Identity& caller) const {
  std::string yours;
  for (const std::string& team : TeamsOf(rules_, caller)) yours += (yours.empty() ? "" : ", ") + Shown(team);
  return yours.empty() ? "" : " Your teams are: " + yours + ".";
}

// Says nothing about whether there is such a team: that is no business of who may not use it.
Status HeaderRouter::MayNotUse(const Place& place, const Identity& caller) const {
  return PermissionDenied("You may not use team '" + place.team + "' in environment '" + place.environment + "'." +
                          Yours(caller));
}

RouterAnswer HeaderRouter::Decide(const RouterCall& call) {
  Route route;
  std::optional<Status> doubled;
  const auto read = [&](const std::vector<std::string>& names) -> std::optional<std::string> {
    std::optional<std::string> found;
    for (const std::string& name : names) {
      if (std::find(route.made_from.begin(), route.made_from.end(), name) == route.made_from.end())
        route.made_from.push_back(name);
      for (const std::string_view value : call.headers(name)) {
        if (found && *found != value) {
          doubled = InvalidArgument("The call names two values for '" + name + "': '" + Shown(*found) + "' and '" +
                                    Shown(value) + "'. Name one.");
        }
        if (!found) found = std::string(value);
      }
    }
    return found;
  };
  Place place;
  const auto host = hosts_.find(Lower(call.authority().substr(0, call.authority().rfind(':'))));
  if (host != hosts_.end()) {
    const std::string& pair = host->second;
    place.team = pair.substr(0, pair.find('/'));
    place.environment = pair.substr(pair.find('/') + 1);
  }
  const auto team = read(settings_.team_headers);
  const auto environment = read(settings_.environment_headers);
  if (doubled) return *doubled;
  if (team) place.team = *team;
  if (environment) place.environment = *environment;
  const Identity& caller = call.identity();
  if (place.team.empty()) place.team = DefaultTeam(rules_, caller);
  if (place.team.empty()) place.team = settings_.default_team;
  if (place.environment.empty()) place.environment = DefaultEnvironment(rules_, caller);
  if (place.environment.empty()) place.environment = settings_.default_environment;

  const bool needs_team = settings_.namespace_.find("{team}") != std::string::npos;
  const bool needs_environment = settings_.namespace_.find("{environment}") != std::string::npos;
  const std::string team_name = settings_.team_headers.empty() ? "x-spark-team" : settings_.team_headers.front();
  const std::string environment_name =
      settings_.environment_headers.empty() ? "x-spark-environment" : settings_.environment_headers.front();
  // All that is to be written: what is known, and a place for what is not.
  const auto whole_url = [&] {
    const auto parameter = [](const std::string& name, const std::string& value, const char* wanted) {
      return name + "=" + (value.empty() ? wanted : Shown(value));
    };
    std::string parameters = needs_team ? parameter(team_name, place.team, "<team>") : "";
    if (needs_environment) {
      parameters += (needs_team ? ";" : "") + parameter(environment_name, place.environment, "<environment>");
    }
    return Url(call, parameters);
  };
  if (needs_team && place.team.empty()) {
    return InvalidArgument("Which team? Add it to the URL: " + whole_url() + Yours(caller));
  }
  if (needs_environment && place.environment.empty()) {
    return InvalidArgument("Which environment? Add it to the URL: " + whole_url());
  }
  const auto no_name = [&](std::string_view what, const std::string& value, const char* letters) {
    return InvalidArgument("'" + Shown(value) + "' is no name of " + std::string(what) + ": it has " + letters +
                           ". Write " + Url(call, team_name + "=<team>;" + environment_name + "=<environment>"));
  };
  if (!place.team.empty() && !IsLabel(place.team)) return no_name("a team", place.team, kTeamLetters);
  if (!place.environment.empty() && !IsPiece(place.environment)) {
    return no_name("an environment", place.environment, "letters a-z and digits only");
  }
  if (!IsAllowed(place)) return MayNotUse(place, caller);

  route.namespace_ = settings_.namespace_;
  Replace(route.namespace_, "{team}", place.team);
  Replace(route.namespace_, "{environment}", place.environment);
  if (settings_.namespace_.find("{user}") != std::string::npos && !IsPiece(caller.subject)) {
    return FailedPrecondition("Your name '" + Shown(caller.subject) + "' cannot be part of a namespace.");
  }
  Replace(route.namespace_, "{user}", caller.subject);
  Replace(route.namespace_, "{user_hash}", UserHash(caller.realm + "\n" + caller.subject));
  if (!IsLabel(route.namespace_)) {
    return InvalidArgument("The namespace '" + route.namespace_.substr(0, 100) +
                           "' is longer than the 63 letters that it may have.");
  }
  if (!rules_.empty()) {
    const Rule* const rule = FindRule(rules_, caller, place.team, place.environment, route.namespace_);
    if (!rule) return MayNotUse(place, caller);
    SetLimits(*rule, static_cast<std::size_t>(rule - rules_.data()) + 1, caller, place.team, route.policy);
  }
  route.team = place.team;
  route.environment = place.environment;
  for (const AttributeRule& rule : settings_.attributes) {
    const auto value = read({rule.header});
    if (doubled) return *doubled;
    if (!value) continue;
    if (std::find(rule.values.begin(), rule.values.end(), *value) == rule.values.end()) {
      std::string values;
      for (const std::string& one : rule.values) values += (values.empty() ? "" : ", ") + one;
      return InvalidArgument("There is no " + rule.name + " '" + Shown(*value) + "'; there are: " + values +
                             ". Write " +
                             Url(call, rule.header + "=" + (rule.values.empty() ? "" : rule.values.front())));
    }
    route.attributes.emplace_back(rule.name, *value);
  }
  return route;
}

}  // namespace sgw::plugins
