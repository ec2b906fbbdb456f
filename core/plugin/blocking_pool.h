// BlockingPool: a bounded pool of threads for work that waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "core/worker/task.h"

namespace sgw::core {

// One owner has at most half of the threads and half of the queue: when all its work hangs, that of others goes on.
//
// Safe for concurrent use.
class BlockingPool {
 public:
  BlockingPool(std::size_t threads, std::size_t max_queued,
               std::chrono::milliseconds patience = std::chrono::seconds(10));
  // Runs what is queued, then joins; unless that takes longer than `patience`: what is queued is dropped then, and
  // threads that are still inside a task are left to themselves.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // False: too much is queued, altogether or by this owner.
  bool Run(const void* owner, Task task);
  // Waits until none of the owner's work runs or is queued; false: it took longer.
  bool AwaitEnd(const void* owner, std::chrono::milliseconds timeout);

 private:
  struct State;
  static void Work(State& state);

  const std::shared_ptr<State> state_;  // each thread holds it, too
  const std::chrono::milliseconds patience_;
  std::vector<std::thread> threads_;
};

}  // namespace sgw::core
