// Spells: of what goes wrong again and again, the log hears once for each spell, however many events it has.
//
// Guarded by who owns it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "core/worker/clock.h"

namespace sgw::core {

class Spells {
 public:
  // After so long without an event of its kind, the next one is news again.
  static constexpr std::chrono::minutes kQuiet{10};

  // One more event happens; whether a spell begins with it.
  bool Begins(std::string_view what, SteadyTime now) {
    const auto at = last_.find(what);
    if (at == last_.end()) {
      last_.emplace(what, now);
      return true;
    }
    return now - std::exchange(at->second, now) > kQuiet;
  }

 private:
  std::map<std::string, SteadyTime, std::less<>> last_;
};

}  // namespace sgw::core
