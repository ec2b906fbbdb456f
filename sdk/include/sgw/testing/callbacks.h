// Callbacks: the functions that a plugin gave to the TestHost, kept as the C boundary promises.
#pragma once

#include <sgw/abi.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace sgw::testing::detail {

// Each callback has an id until it was cancelled or, when it runs once, has run. `drop` is called exactly once. Safe
// for concurrent use; no callback runs under the lock.
class Callbacks {
 public:
  Callbacks() = default;
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;
  ~Callbacks() {
    for (auto& [id, slot] : slots_) Drop(slot->callback);
  }

  sgw_id Add(const sgw_callback& callback) {
    const std::lock_guard lock(mutex_);
    slots_[++last_] = std::make_shared<Slot>(Slot{.callback = callback});
    return last_;
  }

  // Runs it on this thread, and ends it when it is to run `once`. Nothing happens when it was cancelled.
  void Run(sgw_id id, const void* argument, bool once) {
    std::shared_ptr<Slot> slot;
    {
      const std::lock_guard lock(mutex_);
      const auto found = slots_.find(id);
      if (found == slots_.end()) return;
      slot = found->second;
      slot->runner = std::this_thread::get_id();
      slot->is_running = true;
    }
    if (slot->callback.call) slot->callback.call(slot->callback.context, argument);
    bool is_last = false;
    {
      const std::lock_guard lock(mutex_);
      slot->is_running = false;
      if (once) slots_.erase(id);
      is_last = !slots_.contains(id);
    }
    if (is_last) Drop(slot->callback);
    finished_.notify_all();
  }

  // Returns when it runs no more, unless it is this thread that runs it.
  void Cancel(sgw_id id) {
    std::shared_ptr<Slot> slot;
    {
      std::unique_lock lock(mutex_);
      const auto found = slots_.find(id);
      if (found == slots_.end()) return;
      slot = found->second;
      slots_.erase(found);
      if (slot->is_running) {  // Its runner drops it.
        if (slot->runner != std::this_thread::get_id()) finished_.wait(lock, [&] { return !slot->is_running; });
        return;
      }
    }
    Drop(slot->callback);
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return slots_.size();
  }

 private:
  struct Slot {
    sgw_callback callback;
    bool is_running = false;
    std::thread::id runner{};
  };

  static void Drop(const sgw_callback& callback) {
    if (callback.drop) callback.drop(callback.context);
  }

  mutable std::mutex mutex_;  // Guards the members below.
  std::condition_variable finished_;
  sgw_id last_ = 0;
  std::map<sgw_id, std::shared_ptr<Slot>> slots_;
};

}  // namespace sgw::testing::detail
