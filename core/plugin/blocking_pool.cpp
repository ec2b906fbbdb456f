#include "core/plugin/blocking_pool.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace sgw::core {

struct BlockingPool::State {
  // What one owner has here.
  struct Share {
    const void* owner = nullptr;
    std::deque<Task> queue;
    std::size_t running = 0;
    bool is_ready = false;  // it is in `ready`
  };

  void Offer(Share& share) {
    if (share.is_ready || share.queue.empty() || share.running >= max_running) return;
    share.is_ready = true;
    ready.push_back(&share);
  }
  bool is_done() const { return is_ending && queued == 0; }

  std::size_t max_running = 0;  // of one owner
  std::size_t max_queued = 0;
  std::mutex mutex;  // Guards what follows.
  std::condition_variable has_work;
  std::condition_variable has_ended;    // all work of an owner
  std::map<const void*, Share> shares;  // of those who have work here
  std::deque<Share*> ready;             // of owners who wait for a thread and may have one, in turn
  std::size_t queued = 0;
  bool is_ending = false;
};

BlockingPool::BlockingPool(std::size_t threads, std::size_t max_queued, std::chrono::milliseconds patience)
    : state_(std::make_shared<State>()), patience_(patience) {
  state_->max_running = std::max<std::size_t>(threads / 2, 1);
  state_->max_queued = max_queued;
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([state = state_] { Work(*state); });
}

BlockingPool::~BlockingPool() {
  std::deque<std::deque<Task>> dropped;  // without the lock
  bool is_quiet = false;
  {
    std::unique_lock lock(state_->mutex);
    state_->is_ending = true;
    state_->has_work.notify_all();
    is_quiet = state_->has_ended.wait_for(lock, patience_, [this] { return state_->shares.empty(); });
    for (auto& [owner, share] : state_->shares) dropped.push_back(std::exchange(share.queue, {}));
    state_->ready.clear();
    state_->queued = 0;
  }
  state_->has_work.notify_all();
  for (auto& thread : threads_) is_quiet ? thread.join() : thread.detach();
}

bool BlockingPool::Run(const void* owner, Task task) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->shares.find(owner);
  const std::size_t own = found == state_->shares.end() ? 0 : found->second.queue.size();
  if (state_->is_ending || state_->queued >= state_->max_queued || own >= state_->max_queued / 2) return false;
  State::Share& share = state_->shares[owner];
  share.owner = owner;
  share.queue.push_back(std::move(task));
  ++state_->queued;
  state_->Offer(share);
  if (share.is_ready) state_->has_work.notify_one();
  return true;
}

bool BlockingPool::AwaitEnd(const void* owner, std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  return state_->has_ended.wait_for(lock, timeout, [&] { return state_->shares.count(owner) == 0; });
}

void BlockingPool::Work(State& state) {
  pthread_setname_np(pthread_self(), "blocking");
  std::unique_lock lock(state.mutex);
  while (true) {
    state.has_work.wait(lock, [&] { return state.is_done() || !state.ready.empty(); });
    if (state.ready.empty()) return;
    State::Share& share = *state.ready.front();
    state.ready.pop_front();
    share.is_ready = false;
    Task task = std::move(share.queue.front());
    share.queue.pop_front();
    --state.queued;
    ++share.running;
    state.Offer(share);
    if (!state.ready.empty()) state.has_work.notify_one();
    if (state.is_done()) state.has_work.notify_all();
    lock.unlock();
    task();
    task = {};
    lock.lock();
    --share.running;
    state.Offer(share);
    if (share.running > 0 || !share.queue.empty()) continue;
    state.shares.erase(share.owner);
    state.has_ended.notify_all();
  }
}

}  // namespace sgw::core
