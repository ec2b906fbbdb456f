// Delegation: services that act for people, as the back end of a playground does for whoever is signed in there.
//
// A setting of authenticators: `Setting("delegation", &S::delegation, kDelegationDoc)` with a std::vector<Delegation>.
#pragma once

#include <sgw/call.h>
#include <sgw/pattern.h>
#include <sgw/settings.h>
#include <sgw/status.h>
#include <sgw/values.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

inline constexpr std::string_view kDelegationDoc =
    "Services that may name, in a header, the person for whom they call: {services, header, people, groups}.";

// One rule: callers with one of these subjects may name somebody in the header, anybody at all unless `people` says
// whom. That person is then the subject of the call, with these groups and no others, whatever groups they may have
// elsewhere; the service is the `actor`, which records show, and by which routers know that it chose the name.
struct Delegation {
  std::vector<std::string> services{};
  std::string header = "x-spark-act-for";
  std::vector<std::string> people{};
  std::vector<std::string> groups{};

  static constexpr auto kSchema = Settings(
      Setting("services", &Delegation::services, "Subjects that may act for others.", kRequired),
      Setting("header", &Delegation::header, "The request header with the person's subject."),
      Setting("people", &Delegation::people, "Subjects for whom they may act; `*` stands for any text. Empty: all."),
      Setting("groups", &Delegation::groups, "The groups that the person has in such calls.", kRequired));

  // INVALID_ARGUMENT: it is for nobody, or its header is none that a call can have, or carries a credential: whom a
  // header names is shown to people.
  Status Validate() const {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (services.empty()) return InvalidArgument("services: names nobody who may act for others");
    if (header.empty() || header.find_first_not_of(kLetters) != std::string::npos)
      return InvalidArgument("header: '" + header + "' is no name of a header");
    for (const char* secret : {"authorization", "authentication", "proxy-authorization", "cookie"}) {
      if (detail::EqualFold(header, secret))
        return InvalidArgument("header: '" + header + "' carries a credential, and no name of a person");
    }
    return {};
  }
};

// What one call says of acting for others; keeps nothing of the call.
class Acting {
 public:
  // The rules are borrowed and live longer.
  Acting(const std::vector<Delegation>& rules, const Call& call) : rules_(rules) {
    for (const Delegation& rule : rules) {
      const std::vector<std::string_view> said = call.headers(rule.header);
      said_.emplace_back(said.begin(), said.end());
    }
  }

  // The identity of the call of this caller: the caller's own when no header names anybody. The first rule decides that
  // is for the caller and the person. Each header of a rule becomes part of `made_from`. PERMISSION_DENIED: a header
  // names somebody, and no rule of it is for the caller, or none for that person. INVALID_ARGUMENT: it names nobody,
  // several, or with control characters or more than 256 bytes.
  Result<Identity> Apply(Identity caller) const {
    const Delegation* acting = nullptr;
    const Delegation* named_by = nullptr;
    const std::string* person = nullptr;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const Delegation& rule = rules_[i];
      caller.made_from.push_back(rule.header);
      if (said_[i].empty()) continue;
      const bool is_service =
          std::find(rule.services.begin(), rule.services.end(), caller.subject) != rule.services.end();
      if (!is_service) {
        if (IsAnswered(rule, caller.subject)) continue;
        return PermissionDenied("You may not act for others (header '" + rule.header + "').");
      }
      if (said_[i].size() != 1 || !IsName(said_[i][0]) || (person && *person != said_[i][0])) {
        return InvalidArgument("The header '" + rule.header + "' must name one person.");
      }
      named_by = &rule;
      person = &said_[i][0];
      if (!acting && (rule.people.empty() || MatchesAny(*person, rule.people))) acting = &rule;
    }
    if (!named_by) return caller;
    if (!acting) return PermissionDenied("You may not act for this person (header '" + named_by->header + "').");
    Identity other{.subject = *person, .groups = acting->groups, .expiry = caller.expiry, .actor = caller.subject};
    other.made_from = std::move(caller.made_from);
    return other;
  }

 private:
  static bool IsName(std::string_view text) {
    return !text.empty() && text.size() <= 256 &&
           std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  }
  // Whether another rule of the same header is for this caller.
  bool IsAnswered(const Delegation& rule, const std::string& subject) const {
    return std::any_of(rules_.begin(), rules_.end(), [&](const Delegation& other) {
      return other.header == rule.header &&
             std::find(other.services.begin(), other.services.end(), subject) != other.services.end();
    });
  }

  const std::vector<Delegation>& rules_;
  std::vector<std::vector<std::string>> said_;  // the header's values, rule by rule
};

}  // namespace sgw
