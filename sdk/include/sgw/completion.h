// Completion: the promise to answer once, later, from any thread.
#pragma once

#include <sgw/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sgw {

// Says how far something is, in a few words, to the caller who waits for it: `phase("pulling image")`. May be copied;
// may be called from any thread, any number of times, and too late. An empty one may be called too.
class PhaseReport {
 public:
  PhaseReport() = default;
  explicit PhaseReport(std::function<void(std::string_view)> report) : report_(std::move(report)) {}

  void operator()(std::string_view phase) const {
    if (report_) report_(phase);
  }

 private:
  std::function<void(std::string_view)> report_;
};

namespace detail {

// What a Completion knows besides the type of its answer.
class CompletionState {
 public:
  CompletionState() = default;
  CompletionState(const CompletionState&) = delete;
  CompletionState& operator=(const CompletionState&) = delete;

  // Nobody wants the answer any more: runs the hook, once, unless the answer has been given.
  void Cancel() {
    std::function<void()> hook;
    {
      const std::lock_guard lock(mutex_);
      if (is_done_ || is_cancelled_) return;
      is_cancelled_ = true;
      hook = std::exchange(on_cancel_, nullptr);
    }
    if (hook) hook();
  }

  void OnCancel(std::function<void()> hook) {
    {
      const std::lock_guard lock(mutex_);
      if (is_done_) return;
      if (!is_cancelled_) {
        on_cancel_ = std::move(hook);
        return;
      }
    }
    hook();
  }

  bool is_wanted() const {
    const std::lock_guard lock(mutex_);
    return !is_done_ && !is_cancelled_;
  }

  // Answers with a failure, whatever the type of the answer is, for a plugin that may answer later all the same.
  virtual void Fail(Status why) = 0;

 protected:
  virtual ~CompletionState() = default;

  enum class Turn : std::uint8_t { kFirst, kSecond, kLate };
  // kFirst for one caller only; kSecond when the plugin has answered before. The hook is given out so that it is
  // destroyed outside of the lock.
  Turn TakeTurn(std::function<void()>& hook, bool is_plugin) {
    const std::lock_guard lock(mutex_);
    hook = std::exchange(on_cancel_, nullptr);
    if (!std::exchange(is_done_, true)) {
      was_plugin_ = is_plugin;
      return Turn::kFirst;
    }
    return was_plugin_ ? Turn::kSecond : Turn::kLate;
  }

 private:
  mutable std::mutex mutex_;  // Guards the members below.
  bool is_done_ = false;
  bool is_cancelled_ = false;
  bool was_plugin_ = false;  // who answered
  std::function<void()> on_cancel_;
};

// Is told how a promise was broken: "twice", "never".
using Misused = std::function<void(const char* reason)>;

template <typename T>
class CompletionOf final : public CompletionState {
 public:
  explicit CompletionOf(std::function<void(T)> answer, Misused misused)
      : answer_(std::move(answer)), misused_(std::move(misused)) {}
  ~CompletionOf() override {
    try {
      if (is_wanted() && misused_) misused_("never");
      Fail(Internal("the plugin dropped this question without an answer"));
    } catch (...) {  // A destructor has nobody to tell.
    }
  }

  void Fail(Status why) override {
    std::function<void()> hook;
    if (TakeTurn(hook, false) == Turn::kFirst) Give(T(std::move(why)));
  }

  void Answer(T value) {
    std::function<void()> hook;
    const Turn turn = TakeTurn(hook, true);
    if (turn == Turn::kFirst) return Give(std::move(value));
    if (turn == Turn::kSecond && misused_) misused_("twice");
  }

 private:
  void Give(T value) {
    const auto answer = std::exchange(answer_, nullptr);
    answer(std::move(value));
  }

  std::function<void(T)> answer_;  // Touched only by the one whose turn it was.
  const Misused misused_;
};

}  // namespace detail

// Gives one answer of type T: AuthAnswer and its like, Status, or Result<X>.
//
// Copies share the one answer. The first call gives it, from whichever thread; every later one has no effect, nor has
// an answer that nobody waits for any more. When the last copy goes without an answer, the answer is INTERNAL: whoever
// waits is never forgotten. A second answer and a promise that was dropped are counted by the host, as
// spark_gateway_plugin_answer_misuse_total{reason="twice"|"never"}.
template <typename T>
class Completion {
 public:
  // Answers nobody.
  Completion() = default;
  // `answer` is called at most once, on the thread that completes.
  template <typename F>
  requires(std::is_invocable_v<F&, T> &&
           !std::is_same_v<std::remove_cvref_t<F>, Completion>) explicit Completion(F answer,
                                                                                    detail::Misused misused = {})
      : state_(
            std::make_shared<detail::CompletionOf<T>>(std::function<void(T)>(std::move(answer)), std::move(misused))) {}

  void operator()(T value) const {
    if (state_) state_->Answer(std::move(value));
  }

  // Runs `hook` once when nobody wants the answer any more, on any thread; at once when that is so already; never when
  // the answer came first. Answering all the same is harmless. A later hook replaces an earlier one. The hook may hold
  // no copy of this Completion that is meant to keep the question open: it goes when the answer comes.
  void OnCancel(std::function<void()> hook) const {
    if (state_) state_->OnCancel(std::move(hook));
  }

  // False once it was answered or cancelled: long work may stop.
  bool is_wanted() const { return state_ && state_->is_wanted(); }

  // For the glue: what to tell that nobody wants the answer.
  std::shared_ptr<detail::CompletionState> state() const { return state_; }

 private:
  std::shared_ptr<detail::CompletionOf<T>> state_;
};

}  // namespace sgw
