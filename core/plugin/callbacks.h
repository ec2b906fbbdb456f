// Callbacks: functions that plugins gave to be called later, and what is left of them when their instance ends.
#pragma once

#include <sgw/abi.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/plugin/instance_life.h"
#include "core/worker/worker.h"

namespace sgw::core {

// One callback. Copies are the same one; when the last goes, the plugin's `drop` is called, once.
class Callback {
 public:
  Callback(sgw_callback raw, std::shared_ptr<const InstanceLife> life);
  explicit operator bool() const { return raw_->call != nullptr; }
  // Calls it, unless its instance has ended.
  void operator()(const void* argument) const;
  const InstanceLife& life() const { return *life_; }

 private:
  std::shared_ptr<const InstanceLife> life_;
  std::shared_ptr<const sgw_callback> raw_;
};

// Callbacks that can be taken back, by their number. They run on the control thread; all else is safe on any.
class CallbackTable {
 public:
  explicit CallbackTable(Worker& control) : control_(control) {}

  void Add(std::uint64_t id, Callback callback);
  bool Has(std::uint64_t id) const;
  // Runs it with a null argument, unless it was removed. `is_last`: takes it out first. On the control thread.
  void Run(std::uint64_t id, bool is_last);
  // Takes it out. When it runs just now, returns after it has, unless called from it. False: `life` has none such.
  bool Remove(std::uint64_t id, const InstanceLife& life);
  // Takes out all of an instance, and gives their numbers. On the control thread.
  std::vector<std::uint64_t> RemoveAll(const InstanceLife& life);

 private:
  Worker& control_;
  mutable std::mutex mutex_;  // Guards callbacks_, running_ and running_life_.
  std::condition_variable returned_;
  std::unordered_map<std::uint64_t, Callback> callbacks_;
  std::uint64_t running_ = 0;
  const InstanceLife* running_life_ = nullptr;
};

}  // namespace sgw::core
