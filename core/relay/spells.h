// Spells: of what goes wrong again and again, the log hears once for each spell, however many events it has.
//
// Guarded by who owns it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/worker/clock.h"

namespace sgw::core {

class Spells {
 public:
  // After so long without an event of its kind, the next one is news again.
  static constexpr std::chrono::minutes kQuiet{10};
  // And after so long whatever happens: a trickle does not hide a flood for good.
  static constexpr std::chrono::hours kLongest{1};

  // One more event happens; whether a spell begins with it.
  bool Begins(std::string_view what, SteadyTime now) {
    const auto [at, is_first] = spells_.try_emplace(std::string(what), Spell{now, now});
    Spell& spell = at->second;
    const bool is_news = is_first || now - spell.last > kQuiet || now - spell.said >= kLongest;
    spell.last = now;
    if (is_news) spell.said = now;
    return is_news;
  }

 private:
  struct Spell {
    SteadyTime last;
    SteadyTime said;
  };
  std::map<std::string, Spell, std::less<>> spells_;
};

}  // namespace sgw::core
