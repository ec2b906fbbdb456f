// Anonymous lets everybody in: under one name, or under the name that the client claims.
#pragma once

#include <sgw/plugin.h>

#include <string>

namespace sgw::plugins {

struct AnonymousSettings {
  std::string subject;
  std::string default_subject;
  bool allow_remote = false;

  static constexpr auto kSchema = Settings(
      Setting("subject", &AnonymousSettings::subject, "Everybody's subject. Without it the client's own word counts."),
      Setting("default_subject", &AnonymousSettings::default_subject,
              "Subject of a client that claims no user_id; without it such a client is refused."),
      Setting("allow_remote", &AnonymousSettings::allow_remote,
              "Lets it start beside a listener that other machines can reach."));

  Status Validate() const;
};

class Anonymous : public Authenticator {
 public:
  static constexpr bool kMaySayNext = false;
  static constexpr bool kIsRemembered = true;

  // Throws beside a listener that others can reach, unless that is allowed.
  Anonymous(AnonymousSettings settings, Host& host);
  void Start(Completion<Status> done) override;
  AuthAnswer Authenticate(const AuthCall& call) override;

 private:
  const AnonymousSettings settings_;
  Host& host_;
};

}  // namespace sgw::plugins
