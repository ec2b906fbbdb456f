// BlockingPool: a bounded pool of threads for work that waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/worker/task.h"

namespace sgw::core {

// Safe for concurrent use.
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

}  // namespace sgw::core
