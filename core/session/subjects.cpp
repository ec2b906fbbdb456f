#include "core/session/subjects.h"

#include <algorithm>

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

Status TooMany(const std::string& what, std::int64_t has, std::int64_t may) {
  return ResourceExhausted("You have " + std::to_string(has) + " " + what + " and may have " + std::to_string(may) +
                           ". End one, then run this again.");
}

}  // namespace

Status Subjects::MayOpenSession(const std::string& subject, const Policy& policy) const {
  if (!policy.max_sessions) return {};
  const std::lock_guard lock(mutex_);
  const auto at = uses_.find(subject);
  const std::int64_t has = at == uses_.end() ? 0 : at->second.sessions;
  return has < *policy.max_sessions ? Status() : TooMany("sessions", has, *policy.max_sessions);
}

Status Subjects::MayStartOperation(const std::string& subject, const Policy& policy) const {
  if (!policy.max_operations) return {};
  const std::lock_guard lock(mutex_);
  const auto at = uses_.find(subject);
  const std::int64_t has = at == uses_.end() ? 0 : at->second.operations;
  return has < *policy.max_operations ? Status() : TooMany("running operations", has, *policy.max_operations);
}

Status Subjects::CountCall(const std::string& subject, const Policy& policy, SteadyTime now) {
  if (!policy.calls_per_second) return {};
  const double rate = static_cast<double>(std::max<std::int64_t>(*policy.calls_per_second, 1));
  const std::lock_guard lock(mutex_);
  Use& use = uses_[subject];
  const double passed = std::chrono::duration<double>(now - use.counted).count();
  use.calls_left = std::min(rate, use.calls_left + passed * rate);
  use.counted = now;
  if (use.calls_left >= 1) {
    use.calls_left -= 1;
    return {};
  }
  return ResourceExhausted("You make more than " + std::to_string(*policy.calls_per_second) + " calls a second.",
                           RetryIn(1s));
}

void Subjects::AddSessions(const std::string& subject, std::int64_t change) {
  const std::lock_guard lock(mutex_);
  uses_[subject].sessions += change;
}

void Subjects::AddOperations(const std::string& subject, std::int64_t change) {
  if (change == 0) return;
  const std::lock_guard lock(mutex_);
  uses_[subject].operations += change;
}

void Subjects::Sweep(SteadyTime now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(uses_, [&](const auto& one) {
    return one.second.sessions <= 0 && one.second.operations <= 0 && now - one.second.counted > 1min;
  });
}

}  // namespace sgw::core
