// Relay: all calls of the process. One WorkerRelay for each worker makes them, keeps them and counts them.
#pragma once

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <memory>
#include <vector>

#include "core/relay/call.h"
#include "core/upstream/pool.h"
#include "core/worker/metrics_registry.h"

namespace sgw::core {

class Relay;

// The calls of one worker. On the worker.
class WorkerRelay {
 public:
  WorkerRelay(Relay& relay, Worker& worker, UpstreamPool& pool);
  // After the worker has stopped.
  ~WorkerRelay();

  // A new call; its head follows.
  StreamHandler* Begin(ServerConnection& connection, const std::shared_ptr<Stream>& client);
  // A call that has begun is a health check: no drain waits for its end.
  void DoNotWait();
  // The call has ended and goes.
  void Remove(Call& call);
  void Count(const Call& call);
  void CountRefusedByDriver();
  void TellDraining();
  void GiveUp();

  Relay& relay() { return relay_; }
  Worker& worker() { return worker_; }
  UpstreamPool& pool() { return pool_; }

 private:
  // What metrics know a method by: one of Spark's, or a word.
  static constexpr std::size_t kMethods = static_cast<std::size_t>(SparkMethod::kUnknown) + 3;
  struct MethodSeries {
    std::array<Series*, 17> by_code{};
    Series* duration = nullptr;
  };

  Relay& relay_;
  Worker& worker_;
  UpstreamPool& pool_;
  boost::intrusive::list<Call> calls_;
  std::array<MethodSeries, kMethods> series_{};
  Series& live_;
  Series& from_clients_;
  Series& to_clients_;
};

class Relay {
 public:
  struct Setup {
    std::shared_ptr<const Pipeline> pipeline;
    Sessions* sessions = nullptr;  // null is right for a pipeline without an auth step
    MetricsRegistry& metrics;
    const Clock& clock = Clock::Real();
  };
  // Before the workers start; what it is given outlives it.
  Relay(WorkerPool& workers, UpstreamPools& pools, Setup setup);

  WorkerRelay& Of(const Worker& worker);

  // From now on health checks say NOT_SERVING, and who watches is told. Calls are still taken. Any thread.
  void SetDraining();
  bool is_draining() const { return is_draining_; }
  // Calls that a drain waits for. Any thread.
  int live_calls() const { return live_calls_; }
  // Ends every call with UNAVAILABLE. Any thread.
  void GiveUp();

  const std::shared_ptr<const Pipeline>& pipeline() const { return setup_.pipeline; }
  Sessions* sessions() const { return setup_.sessions; }
  MetricsRegistry& metrics() { return setup_.metrics; }
  const Clock& clock() const { return setup_.clock; }

 private:
  friend class WorkerRelay;

  const Setup setup_;
  std::atomic<bool> is_draining_{false};
  std::atomic<int> live_calls_{0};
  std::vector<std::unique_ptr<WorkerRelay>> workers_;
};

}  // namespace sgw::core
