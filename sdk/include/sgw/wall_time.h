// WallTimeAt: the time that somebody wrote, whatever it is.
#pragma once

#include <sgw/values.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sgw {

// The time so many seconds after 1970 began. A WallTime ends in 2262, and leeways are added to it: what is later than
// the year 2200 becomes that year's beginning, what is earlier than 1970 the beginning of 1970.
constexpr WallTime WallTimeAt(std::int64_t unix_seconds) {
  constexpr std::int64_t kYear2200 = 7'258'118'400;
  return WallTime(std::chrono::seconds(std::clamp<std::int64_t>(unix_seconds, 0, kYear2200)));
}

}  // namespace sgw
