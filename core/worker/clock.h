// Clock: where time comes from, so that a test can be its master.
#pragma once

#include <chrono>

namespace sgw::core {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Safe for concurrent use.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;
  virtual WallTime Wall() const = 0;

  // The machine's own clocks.
  static const Clock& Real();
};

}  // namespace sgw::core
