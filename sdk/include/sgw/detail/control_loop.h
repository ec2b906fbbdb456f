// ControlLoop: a function that runs on the control thread whenever somebody calls for it, and at a time that it says.
#pragma once

#include <sgw/host.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace sgw::detail {

class ControlLoop {
 public:
  explicit ControlLoop(Host& host) : host_(host) {}

  // Runs the turn soon. Any thread; not under a lock that the turn takes.
  void Wake(const std::function<void()>& turn) {
    const std::lock_guard lock(mutex_);
    // The handle that goes here is of a turn that is about to return: what is left of it takes no lock that is held
    // here.
    wake_ = host_.StartTimer(Duration(0), turn);
  }
  // Runs the turn at this time; replaces what was said before. Control thread.
  void SleepUntil(std::optional<MonotonicTime> time, const std::function<void()>& turn) {
    sleep_.Reset();
    if (!time) return;
    // Up to the next millisecond: a timer that comes too early would find nothing to do.
    const auto delay = std::chrono::ceil<Duration>(*time - host_.Now());
    sleep_ = host_.StartTimer(std::max(delay, Duration(0)), turn);
  }
  void End() {
    const std::lock_guard lock(mutex_);
    wake_.Reset();
    sleep_.Reset();
  }

 private:
  Host& host_;
  std::mutex mutex_;  // Guards wake_. No turn takes it while it may be waited for.
  Timer wake_;
  Timer sleep_;  // Control thread.
};

}  // namespace sgw::detail
