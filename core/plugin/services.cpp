#include "core/plugin/services.h"

#include <future>
#include <string>

namespace sgw::core {
namespace {

constexpr auto kLongestTurn = std::chrono::seconds(10);
constexpr auto kLookForEnd = std::chrono::milliseconds(50);
constexpr const char* kAskedToEnd = "the gateway was asked to end while it started";

std::string Shown(std::chrono::milliseconds timeout) {
  return timeout.count() % 1000 == 0 ? std::to_string(timeout.count() / 1000) + " s"
                                     : std::to_string(timeout.count()) + " ms";
}

}  // namespace

HostServices::HostServices(MetricsRegistry& registry, Worker& control_worker, Spawner* child_spawner)
    : metrics(registry),
      control(control_worker),
      spawner(child_spawner),
      callbacks(control_worker),
      files([this](std::uint64_t id) { control.Post([this, id] { callbacks.Run(id, false); }); }) {}

Status HostServices::Await(std::chrono::milliseconds timeout, std::function<void(StepDone)> step) {
  return Await(timeout, std::move(step), false);
}

Status HostServices::AwaitStart(std::chrono::milliseconds timeout, std::function<void(StepDone)> step) {
  if (has_been_asked_to_end()) return Cancelled(kAskedToEnd);
  return Await(timeout, std::move(step), true);
}

Status HostServices::Await(std::chrono::milliseconds timeout, std::function<void(StepDone)> step, bool is_start) {
  constexpr const char* kLeftOut = "left out: the control thread hangs inside another plugin";
  if (is_control_stuck) return Unavailable(kLeftOut);
  struct Progress {
    std::atomic<bool> was_entered{false};
    std::atomic<bool> has_returned{false};
    std::atomic<bool> is_done{false};
  };
  const auto progress = std::make_shared<Progress>();
  // The task owns the promise: dropped with it, it breaks, and nobody waits for ever.
  auto promise = std::make_shared<std::promise<Status>>();
  auto future = promise->get_future();
  control.Post([progress, promise = std::move(promise), step = std::move(step)] {
    progress->was_entered = true;
    step([progress, promise](Status status) {
      if (!progress->is_done.exchange(true)) promise->set_value(std::move(status));
    });
    progress->has_returned = true;
  });
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const auto is_given_up = [&] { return is_start && progress->has_returned && has_been_asked_to_end(); };
  const auto turn = is_start ? std::min<std::chrono::milliseconds>(timeout, kLookForEnd) : timeout;
  auto state = future.wait_for(turn);
  while (state != std::future_status::ready && std::chrono::steady_clock::now() < deadline && !is_given_up())
    state = future.wait_for(turn);
  if (state == std::future_status::ready) {
    try {
      return future.get();
    } catch (const std::future_error&) {
      return Unavailable("it was dropped without an answer");
    }
  }
  if (is_given_up()) return Cancelled(kAskedToEnd);
  if (progress->has_returned)
    return Unavailable("it gave no answer within " + Shown(timeout) + ". See in its log what it waits for.");
  is_control_stuck = true;
  if (!progress->was_entered) return Unavailable(kLeftOut);
  return Unavailable("it hangs: the function has not returned after " + Shown(timeout) + ". It must not wait.");
}

void HostServices::OnControl(std::function<void()> function) {
  if (control.IsCurrent()) return function();
  (void)Await(kLongestTurn, [function = std::move(function)](const StepDone& done) {
    function();
    done({});
  });
}

HttpClient& HostServices::http() {
  const std::lock_guard lock(http_mutex_);
  if (!http_) http_ = std::make_unique<HttpClient>();
  return *http_;
}

void HostServices::CancelHttp(const void* owner) {
  const std::lock_guard lock(http_mutex_);
  if (http_) http_->CancelAll(owner);
}

}  // namespace sgw::core
