// HostServices: what the host has to lend; one set for the process, shared by all instances.
#pragma once

#include <sgw/values.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/plugin/asks.h"
#include "core/plugin/spawner.h"
#include "core/worker/clock.h"
#include "core/worker/metrics_registry.h"
#include "core/worker/worker.h"

namespace sgw::core {

// A bounded pool of threads for work that waits.
class BlockingPool {
 public:
  BlockingPool(std::size_t threads, std::size_t max_queued);
  // Runs what is queued, then joins.
  ~BlockingPool();
  // False: too much is queued.
  bool Run(Task task);

 private:
  void Work();

  const std::size_t max_queued_;
  std::mutex mutex_;  // Guards queue_ and is_ending_.
  std::condition_variable changed_;
  std::deque<Task> queue_;
  bool is_ending_ = false;
  std::vector<std::thread> threads_;
};

// Looks at paths and tells when they have changed. Looking, not listening: it sees renames, Kubernetes' symlink swaps,
// network file systems, and paths that do not exist yet, all in one way.
class FileWatcher {
 public:
  explicit FileWatcher(Worker& control) : control_(control) {}
  // On the control thread, as all functions here.
  void Watch(std::uint64_t id, std::string path, std::function<void()> changed);
  void Unwatch(std::uint64_t id);

 private:
  struct Watched {
    std::string path;
    std::string seen;     // what the path looked like when its owner was last told
    std::string current;  // at the last look
    std::function<void()> changed;
  };
  void Look();

  Worker& control_;
  std::map<std::uint64_t, Watched> watched_;
  Timer next_;
};

struct HostServices {
  HostServices(MetricsRegistry& registry, Worker& control_worker, Spawner* child_spawner);

  MetricsRegistry& metrics;
  Worker& control;
  Spawner* spawner;  // null: no child processes can be made
  const Clock* clock = &Clock::Real();
  AskTable asks;
  BlockingPool blocking{4, 1024};
  FileWatcher files;
  std::atomic<std::uint64_t> next_id{1};
  std::uint32_t exposure = 0;  // set before the first instance is made
  // What plugins say of servers that have gone; set before the first instance starts. Any thread.
  std::function<void(const std::string& instance, const std::string& lease_id, const std::string& reason)>
      on_lease_lost;
  std::function<void(const std::string& address, const std::string& incarnation, const std::string& reason)>
      on_endpoint_gone;
};

}  // namespace sgw::core
