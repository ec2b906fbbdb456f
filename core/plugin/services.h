// HostServices: what the host has to lend; one set for the process, shared by all instances.
#pragma once

#include <sgw/status.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/http2/tls.h"
#include "core/plugin/asks.h"
#include "core/plugin/blocking_pool.h"
#include "core/plugin/callbacks.h"
#include "core/plugin/file_watcher.h"
#include "core/plugin/http_client.h"
#include "core/plugin/secret_texts.h"
#include "core/plugin/spawner.h"
#include "core/worker/clock.h"
#include "core/worker/metrics_registry.h"
#include "core/worker/worker.h"

namespace sgw::core {

struct HostServices {
  // All outlive it. The control worker runs the callbacks and the steps of life of all plugins; it is started before
  // the first instance is made, and stopped before this goes.
  HostServices(MetricsRegistry& registry, Worker& control_worker, Spawner* child_spawner);

  using StepDone = std::function<void(Status)>;
  // Runs `step` on the control thread and waits until it has called its argument, there. UNAVAILABLE: it did not in
  // time, or never will; when `step` has not even returned, is_control_stuck.
  Status Await(std::chrono::milliseconds timeout, std::function<void(StepDone)> step);
  // The same for steps of a start. CANCELLED: has_been_asked_to_end, before the step or while it was only waited for.
  Status AwaitStart(std::chrono::milliseconds timeout, std::function<void(StepDone)> step);
  // The same of what is done when it returns, on the control thread as well; for 10 s.
  void OnControl(std::function<void()> function);

  // Made when it is first asked for. Any thread.
  HttpClient& http();
  void CancelHttp(const void* owner);

  MetricsRegistry& metrics;
  Worker& control;
  Spawner* spawner;  // null: no child processes can be made
  const Clock* clock = &Clock::Real();
  SecretTexts secrets;  // of the settings of all plugins
  AskTable asks;
  CallbackTable callbacks;
  std::unordered_map<std::uint64_t, Timer> timers;  // by the number of their callback; on the control thread
  FileWatcher files;
  BlockingPool blocking{8, 2048};
  std::atomic<std::uint64_t> next_id{1};
  std::uint32_t exposure = 0;                   // set before the first instance is made
  std::shared_ptr<const TlsSource> driver_tls;  // as well; null: servers are reached without TLS
  // Of the environment: the configuration takes secrets from them, which are not for child processes. Set before the
  // first instance is made.
  std::vector<std::string> secret_variables{};
  // A plugin's function did not return in time: the control thread is inside it for good. Whoever sees this ends the
  // process without waiting for the control thread.
  std::atomic<bool> is_control_stuck{false};
  // Blocking work of a plugin that was stopped does not end; the same holds.
  std::atomic<bool> is_blocking_stuck{false};
  // Whether somebody wants the gateway to end, which may still be starting; any thread. Set before the first instance
  // is made.
  std::function<bool()> has_been_asked_to_end = [] { return false; };
  // What plugins say of servers that have gone; set before the first instance starts. Any thread.
  std::function<void(const std::string& instance, const std::string& lease_id, const std::string& reason)>
      on_lease_lost;
  std::function<void(const std::string& address, const std::string& incarnation, const std::string& reason)>
      on_endpoint_gone;
  // A discovery has published these.
  std::function<void(const std::vector<Endpoint>&)> on_snapshot;
  // A snapshot of these was made, and later: its discovery has let go of it. Set before the first instance is made.
  std::function<void(const std::vector<Endpoint>&)> on_listed;
  std::function<void(const std::vector<Endpoint>&)> on_unlisted;

 private:
  Status Await(std::chrono::milliseconds timeout, std::function<void(StepDone)> step, bool is_start);

  std::mutex http_mutex_;  // Guards http_ while it is made.
  std::unique_ptr<HttpClient> http_;
};

}  // namespace sgw::core
