// Worker: one thread with an event loop. Everything that a call touches lives on one worker.
//
// Post() is the only door from other threads; all else is called on the worker itself, or before Start().
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/worker/task.h"

namespace boost::asio {
class io_context;
}

namespace sgw::core {

// A pending timer. Destroying or resetting it means that its function will not run. Lives on the worker that made it.
class Timer {
 public:
  struct State;

  Timer() = default;
  explicit Timer(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&& other) noexcept;
  ~Timer() { Cancel(); }

  void Cancel();
  bool is_pending() const;

 private:
  std::shared_ptr<State> state_;
};

class Worker;

// The way to a worker for a thread that may outlive it. Any thread.
class WorkerDoor {
 public:
  explicit WorkerDoor(Worker* worker) : worker_(worker) {}
  // Posts the task; when the worker has gone it is dropped.
  void Post(Task task);

 private:
  friend class Worker;
  std::mutex mutex_;  // Guards worker_.
  Worker* worker_;
};

class Worker {
 public:
  // `name` is shown as the thread's name; at most 15 bytes of it.
  explicit Worker(std::string name);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  // Lets the running task end, drops the rest and joins. Tasks that never ran are destroyed on the caller's thread.
  void Stop();

  // Runs the task on the worker, after what is queued already. Any thread.
  void Post(Task task);
  // Runs the task at the end of this turn of the loop: after every event that is ready now. On the worker.
  void AtEndOfTurn(Task task);
  // Runs the task once after the delay, unless the Timer goes first. On the worker.
  [[nodiscard]] Timer StartTimer(std::chrono::nanoseconds delay, Task task);

  // Whether the calling thread is this worker's.
  bool IsCurrent() const;
  // The worker whose thread is calling, or null.
  static Worker* Current();

  // How much is on this worker; the acceptor gives a connection to the one with the least. Any thread.
  std::atomic<int>& load() { return load_; }
  boost::asio::io_context& io() { return *io_; }
  const std::shared_ptr<WorkerDoor>& door() const { return door_; }

 private:
  void RunEndOfTurn();

  std::string name_;
  std::unique_ptr<boost::asio::io_context> io_;
  const std::shared_ptr<WorkerDoor> door_{std::make_shared<WorkerDoor>(this)};
  std::vector<Task> end_of_turn_;
  std::atomic<int> load_{0};
  std::thread thread_;
};

// The workers of the process, in order.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t count);
  void Start();
  void Stop();

  std::size_t size() const { return workers_.size(); }
  Worker& operator[](std::size_t index) { return *workers_[index]; }
  // The worker with the smallest load now.
  Worker& LeastLoaded();

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sgw::core
