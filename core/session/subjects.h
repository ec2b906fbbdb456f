// Subjects: what one caller has at a time, held against the limits of its Route's policy.
//
// Safe for concurrent use.
#pragma once

#include <sgw/status.h>
#include <sgw/values.h>

#include <mutex>
#include <string>
#include <unordered_map>

#include "core/worker/clock.h"

namespace sgw::core {

class Subjects {
 public:
  static std::string KeyOf(const Identity& identity) { return identity.realm + '\0' + identity.subject; }

  // Whether one more is allowed now. RESOURCE_EXHAUSTED says the limit and the current value.
  Status MayOpenSession(const std::string& subject, const Policy& policy) const;
  Status MayStartOperation(const std::string& subject, const Policy& policy) const;
  // Counts a call against calls_per_second, with a second's worth of calls at once. Not OK asks to come again.
  Status CountCall(const std::string& subject, const Policy& policy, SteadyTime now);

  void AddSessions(const std::string& subject, std::int64_t change);
  void AddOperations(const std::string& subject, std::int64_t change);
  // Forgets callers that have nothing.
  void Sweep(SteadyTime now);

 private:
  struct Use {
    std::int64_t sessions = 0;
    std::int64_t operations = 0;
    double calls_left = 0;
    SteadyTime counted{};  // when calls_left was true
  };

  mutable std::mutex mutex_;  // Guards uses_.
  std::unordered_map<std::string, Use> uses_;
};

}  // namespace sgw::core
