// InlineBudget: how much time work on the spot may take from those who have others to serve.
#pragma once

#include <sgw/values.h>

#include <algorithm>
#include <chrono>
#include <mutex>

namespace sgw::plugins {

// A token bucket of time: a fifth of one thread's over all who share it, 2 ms at once. A piece of work that took longer
// than what is left is paid for before the next one. Safe for concurrent use.
class InlineBudget {
 public:
  // Whether one more piece of work may be done on the spot; at least kLeast is charged for it.
  bool Take(MonotonicTime now) {
    const std::lock_guard lock(mutex_);
    left_ = std::min<std::chrono::nanoseconds>(left_ + (now - filled_) / kShare, kMost);
    filled_ = now;
    if (left_ < kLeast) return false;
    left_ -= kLeast;
    return true;
  }
  // It took so long.
  void Charge(std::chrono::nanoseconds took) {
    const std::lock_guard lock(mutex_);
    left_ -= std::max<std::chrono::nanoseconds>(took - kLeast, std::chrono::nanoseconds(0));
  }

 private:
  static constexpr int kShare = 5;
  static constexpr std::chrono::microseconds kMost{2'000};
  static constexpr std::chrono::microseconds kLeast{40};

  std::mutex mutex_;  // Guards the members below.
  std::chrono::nanoseconds left_ = kMost;
  MonotonicTime filled_{};
};

}  // namespace sgw::plugins
