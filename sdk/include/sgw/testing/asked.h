// Asked: a question that a test put to a plugin, and what came of it.
#pragma once

#include <sgw/status.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw::testing {

namespace detail {

// What the host remembers of a question, whatever its answer's type.
class Ask {
 public:
  Ask() = default;
  Ask(const Ask&) = delete;
  Ask& operator=(const Ask&) = delete;
  virtual ~Ask() = default;

  void Phase(std::string_view phase) {
    const std::lock_guard lock(mutex_);
    phases_.emplace_back(phase);
  }
  std::vector<std::string> phases() const {
    const std::lock_guard lock(mutex_);
    return phases_;
  }
  bool is_answered() const {
    const std::lock_guard lock(mutex_);
    return is_answered_;
  }
  // True when the answer was there in time.
  bool WaitFor(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return is_answered_; });
  }

 protected:
  mutable std::mutex mutex_;  // Guards the members below, and the answer.
  std::condition_variable changed_;
  bool is_answered_ = false;
  std::vector<std::string> phases_;
};

template <typename A>
class AskOf final : public Ask {
 public:
  // False when there is an answer already.
  bool Answer(A answer) {
    const std::lock_guard lock(mutex_);
    if (is_answered_) return false;
    is_answered_ = true;
    answer_ = std::move(answer);
    changed_.notify_all();
    return true;
  }
  std::optional<A> answer() const {
    const std::lock_guard lock(mutex_);
    return answer_;
  }

 private:
  std::optional<A> answer_;
};

}  // namespace detail

// May be copied; all copies show the same question.
template <typename A>
class Asked {
 public:
  Asked(std::shared_ptr<detail::AskOf<A>> ask, std::function<void()> cancel, std::function<void()> pump)
      : ask_(std::move(ask)), cancel_(std::move(cancel)), pump_(std::move(pump)) {}

  bool is_answered() const { return ask_->is_answered(); }
  // The answer so far.
  std::optional<A> answer() const { return ask_->answer(); }
  // The answer that is there by now; throws std::logic_error when there is none.
  A now() const {
    if (auto answer = ask_->answer()) return *std::move(answer);
    throw std::logic_error("the plugin has not answered yet");
  }
  // Waits for an answer that comes from another thread, and runs what is due on the control thread meanwhile. Throws
  // std::runtime_error after ten seconds.
  A Wait() const {
    for (int i = 0; i < 5000; ++i) {
      pump_();
      if (ask_->WaitFor(std::chrono::milliseconds(2))) return now();
    }
    throw std::runtime_error("the plugin did not answer within ten seconds");
  }
  // What was reported while the question waited.
  std::vector<std::string> phases() const { return ask_->phases(); }
  // Nobody wants the answer any more.
  void Cancel() const { cancel_(); }

 private:
  std::shared_ptr<detail::AskOf<A>> ask_;
  std::function<void()> cancel_;
  std::function<void()> pump_;
};

}  // namespace sgw::testing
