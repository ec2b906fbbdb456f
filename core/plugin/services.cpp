#include "core/plugin/services.h"

#include <future>

namespace sgw::core {
namespace {

constexpr auto kLongestTurn = std::chrono::seconds(10);

}  // namespace

HostServices::HostServices(MetricsRegistry& registry, Worker& control_worker, Spawner* child_spawner)
    : metrics(registry),
      control(control_worker),
      spawner(child_spawner),
      callbacks(control_worker),
      files([this](std::uint64_t id) { control.Post([this, id] { callbacks.Run(id, false); }); }) {}

void HostServices::OnControl(std::function<void()> function) {
  if (control.IsCurrent()) return function();
  if (is_control_stuck) return;
  // The task owns the promise: dropped with it, it breaks, and nobody waits for ever.
  std::promise<void> promise;
  const auto done = promise.get_future();
  control.Post([function = std::move(function), promise = std::move(promise)]() mutable {
    function();
    promise.set_value();
  });
  if (done.wait_for(kLongestTurn) == std::future_status::timeout) is_control_stuck = true;
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
