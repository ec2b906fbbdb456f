#include "auth_anonymous.h"

#include <stdexcept>
#include <utility>

namespace sgw::plugins {

Status AnonymousSettings::Validate() const {
  if (subject.empty() || default_subject.empty()) return {};
  return InvalidArgument("default_subject: has no effect beside subject, which is everybody's; leave one out");
}

Anonymous::Anonymous(AnonymousSettings settings, Host& host) : settings_(std::move(settings)), host_(host) {
  if (!host_.exposure().remote || settings_.allow_remote) return;
  throw std::runtime_error(
      "a listener can be reached from other machines, and everybody there would be let in. Listen on 127.0.0.1, use "
      "another auth plugin, or write allow_remote: true.");
}

void Anonymous::Start(Completion<Status> done) {
  if (host_.exposure().remote) host_.Warn("everybody who can reach the gateway is let in (allow_remote: true)");
  done(Status());
}

AuthAnswer Anonymous::Authenticate(const AuthCall&) {
  if (!settings_.subject.empty()) return Identity{.subject = settings_.subject};
  return AsClaimed{.default_subject = settings_.default_subject};
}

}  // namespace sgw::plugins
