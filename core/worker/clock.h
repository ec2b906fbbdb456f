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

class RealClock final : public Clock {
 public:
  SteadyTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime Wall() const override { return std::chrono::system_clock::now(); }
};

inline const Clock& Clock::Real() {
  static const RealClock clock;
  return clock;
}

}  // namespace sgw::core
