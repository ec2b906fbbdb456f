#include "core/plugin/control_step.h"

#include <atomic>
#include <future>
#include <memory>

namespace sgw::core {
namespace {

std::string Shown(std::chrono::milliseconds timeout) {
  return timeout.count() % 1000 == 0 ? std::to_string(timeout.count() / 1000) + " s"
                                     : std::to_string(timeout.count()) + " ms";
}

}  // namespace

Status AwaitStep(HostServices& services, std::chrono::milliseconds timeout, std::function<void(StepDone)> step) {
  if (services.is_control_stuck) return Unavailable("left out: the control thread hangs inside another plugin");
  struct Shared {
    std::promise<Status> promise;
    std::atomic<bool> was_entered{false};
    std::atomic<bool> has_returned{false};
    std::atomic<bool> is_done{false};
  };
  const auto shared = std::make_shared<Shared>();
  auto future = shared->promise.get_future();
  services.control.Post([shared, step = std::move(step)] {
    shared->was_entered = true;
    step([shared](Status status) {
      if (!shared->is_done.exchange(true)) shared->promise.set_value(std::move(status));
    });
    shared->has_returned = true;
  });
  if (future.wait_for(timeout) == std::future_status::ready) return future.get();
  if (shared->has_returned)
    return Unavailable("it gave no answer within " + Shown(timeout) + ". See in its log what it waits for.");
  services.is_control_stuck = true;
  return Unavailable(shared->was_entered
                         ? "it hangs: the function has not returned after " + Shown(timeout) + ". It must not wait."
                         : "left out: the control thread hangs inside another plugin");
}

}  // namespace sgw::core
