#include "core/plugin/blocking_pool.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

namespace sgw::core {

struct BlockingPool::State {
  struct Waiting {
    const void* owner;
    Task task;
  };
  struct Share {
    std::size_t running = 0;
    std::size_t queued = 0;
  };

  // The first in the queue whose owner may have one more thread.
  auto FindNext() {
    return std::find_if(queue.begin(), queue.end(),
                        [this](const Waiting& one) { return shares.at(one.owner).running < max_running; });
  }

  std::size_t max_running = 0;  // of one owner
  std::size_t max_queued = 0;
  std::mutex mutex;  // Guards what follows.
  std::condition_variable changed;
  std::deque<Waiting> queue;
  std::map<const void*, Share> shares;  // of those who have work here
  bool is_ending = false;
};

BlockingPool::BlockingPool(std::size_t threads, std::size_t max_queued) : state_(std::make_shared<State>()) {
  state_->max_running = std::max<std::size_t>(threads / 2, 1);
  state_->max_queued = max_queued;
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([state = state_] { Work(*state); });
}

BlockingPool::~BlockingPool() {
  std::deque<State::Waiting> dropped;  // without the lock
  bool is_quiet = false;
  {
    std::unique_lock lock(state_->mutex);
    state_->is_ending = true;
    state_->changed.notify_all();
    is_quiet = state_->changed.wait_for(lock, std::chrono::seconds(10), [this] { return state_->shares.empty(); });
    dropped.swap(state_->queue);
  }
  state_->changed.notify_all();
  for (auto& thread : threads_) is_quiet ? thread.join() : thread.detach();
}

bool BlockingPool::Run(const void* owner, Task task) {
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->shares.find(owner);
    const std::size_t own = found == state_->shares.end() ? 0 : found->second.queued;
    const bool is_full = state_->queue.size() >= state_->max_queued || own >= state_->max_queued / 2;
    if (state_->is_ending || is_full) return false;
    state_->queue.push_back({owner, std::move(task)});
    ++state_->shares[owner].queued;
  }
  state_->changed.notify_all();
  return true;
}

bool BlockingPool::AwaitEnd(const void* owner, std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, timeout, [&] { return state_->shares.count(owner) == 0; });
}

void BlockingPool::Work(State& state) {
  pthread_setname_np(pthread_self(), "blocking");
  std::unique_lock lock(state.mutex);
  while (true) {
    state.changed.wait(
        lock, [&] { return (state.is_ending && state.queue.empty()) || state.FindNext() != state.queue.end(); });
    const auto next = state.FindNext();
    if (next == state.queue.end()) return;
    State::Waiting taken = std::move(*next);
    state.queue.erase(next);
    --state.shares[taken.owner].queued;
    ++state.shares[taken.owner].running;
    lock.unlock();
    taken.task();
    taken.task = {};
    lock.lock();
    State::Share& share = state.shares[taken.owner];
    if (--share.running + share.queued == 0) state.shares.erase(taken.owner);
    state.changed.notify_all();
  }
}

}  // namespace sgw::core
