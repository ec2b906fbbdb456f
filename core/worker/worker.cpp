#include "core/worker/worker.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sgw::core {
namespace {

thread_local Worker* current_worker = nullptr;

}  // namespace

struct Timer::State {
  explicit State(boost::asio::io_context& io) : timer(io) {}
  boost::asio::steady_timer timer;
  Task task;
};

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    Cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Timer::Cancel() {
  if (!state_) return;
  // The task may own the last reference to whoever owns this Timer: it goes after the state was let go.
  auto state = std::move(state_);
  Task dropped = std::move(state->task);
  state->timer.cancel();
}

bool Timer::is_pending() const { return state_ && state_->task; }

Worker::Worker(std::string name) : name_(std::move(name)), io_(std::make_unique<boost::asio::io_context>(1)) {}

Worker::~Worker() {
  Stop();
  const std::lock_guard lock(door_->mutex_);
  door_->worker_ = nullptr;
}

void WorkerDoor::Post(Task task) {
  const std::lock_guard lock(mutex_);
  if (worker_) worker_->Post(std::move(task));
}

void Worker::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    current_worker = this;
    const auto guard = boost::asio::make_work_guard(*io_);
    io_->run();
    current_worker = nullptr;
  });
}

void Worker::Stop() {
  if (!thread_.joinable()) return;
  io_->stop();
  thread_.join();
}

void Worker::Post(Task task) {
  boost::asio::post(*io_, [task = std::move(task)]() mutable { task(); });
}

void Worker::AtEndOfTurn(Task task) {
  // A posted handler runs after those that were ready before it, which is all that a turn is.
  if (end_of_turn_.empty()) boost::asio::post(*io_, [this] { RunEndOfTurn(); });
  end_of_turn_.push_back(std::move(task));
}

void Worker::RunEndOfTurn() {
  std::vector<Task> tasks;
  tasks.swap(end_of_turn_);
  for (Task& task : tasks) task();
  tasks.clear();
  if (end_of_turn_.empty()) end_of_turn_.swap(tasks);  // keeps the capacity
}

Timer Worker::StartTimer(std::chrono::nanoseconds delay, Task task) {
  auto state = std::make_shared<Timer::State>(*io_);
  state->task = std::move(task);
  state->timer.expires_after(delay);
  state->timer.async_wait([state](const boost::system::error_code& error) {
    if (error || !state->task) return;
    Task due = std::move(state->task);
    due();
  });
  return Timer(std::move(state));
}

bool Worker::IsCurrent() const { return current_worker == this; }

Worker* Worker::Current() { return current_worker; }

WorkerPool::WorkerPool(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>("worker-" + std::to_string(i)));
}

void WorkerPool::Start() {
  for (auto& worker : workers_) worker->Start();
}

void WorkerPool::Stop() {
  for (auto& worker : workers_) worker->Stop();
}

Worker& WorkerPool::LeastLoaded() {
  return **std::min_element(workers_.begin(), workers_.end(),
                            [](const auto& a, const auto& b) { return a->load() < b->load(); });
}

}  // namespace sgw::core
