// HeldLease: a server of a hot pool that is ours until it is given back, which happens exactly once.
#pragma once

#include <sgw/values.h>

#include <string>
#include <utility>

#include "core/plugin/instance.h"

namespace sgw::core {

// Moves, is never copied. One that goes without a word was not claimed.
class HeldLease {
 public:
  HeldLease() = default;
  HeldLease(Instance& pool, std::string id) : pool_(&pool), id_(std::move(id)) {}
  HeldLease(HeldLease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), id_(std::move(other.id_)) {}
  HeldLease& operator=(HeldLease&& other) noexcept {
    if (this != &other) {
      Return(LeaseOutcome::kUnclaimed);
      pool_ = std::exchange(other.pool_, nullptr);
      id_ = std::move(other.id_);
    }
    return *this;
  }
  ~HeldLease() { Return(LeaseOutcome::kUnclaimed); }

  explicit operator bool() const { return pool_ != nullptr; }

  // Gives the server back; nothing happens when there is none. Never called under a lock: the pool is asked.
  void Return(LeaseOutcome outcome) {
    if (Instance* const pool = std::exchange(pool_, nullptr)) pool->Release(id_, outcome);
  }
  // The server stays leased: it is written down, and a later process redeems it.
  void Keep() { pool_ = nullptr; }

 private:
  Instance* pool_ = nullptr;
  std::string id_;
};

}  // namespace sgw::core
