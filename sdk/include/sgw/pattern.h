// MatchesPattern: names with a `*` in settings, as in "spiffe://acme.com/*".
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sgw {

// Whether the whole name is of the pattern, in which each `*` stands for any text, also none; case counts. At most
// name x pattern steps, whatever the pattern.
constexpr bool MatchesPattern(std::string_view name, std::string_view pattern) {
  std::size_t at = 0;
  std::size_t of = 0;
  std::size_t star = std::string_view::npos;  // the last one, and where what it has taken ends
  std::size_t taken = 0;
  while (at < name.size()) {
    if (of < pattern.size() && pattern[of] == '*') {
      star = of++;
      taken = at;
    } else if (of < pattern.size() && pattern[of] == name[at]) {
      ++of;
      ++at;
    } else if (star != std::string_view::npos) {
      of = star + 1;
      at = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', of) == std::string_view::npos;
}

inline bool MatchesAny(std::string_view name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& one) { return MatchesPattern(name, one); });
}

}  // namespace sgw
