#include "core/plugin/callbacks.h"

#include <optional>
#include <utility>

namespace sgw::core {

Callback::Callback(sgw_callback raw, std::shared_ptr<const InstanceLife> life)
    : life_(std::move(life)), raw_(new sgw_callback(raw), [keep = life_](const sgw_callback* last) {
        if (last->drop) keep->Enter("drop of a callback", [&] { last->drop(last->context); });
        delete last;
      }) {}

void Callback::operator()(const void* argument) const {
  if (!raw_->call || life_->is_over) return;
  life_->Enter("callback", [&] { raw_->call(raw_->context, argument); });
}

void CallbackTable::Add(std::uint64_t id, Callback callback) {
  const std::lock_guard lock(mutex_);
  callbacks_.emplace(id, std::move(callback));
}

bool CallbackTable::Has(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return callbacks_.count(id) > 0;
}

void CallbackTable::Run(std::uint64_t id, bool is_last) {
  std::optional<Callback> callback;
  {
    const std::lock_guard lock(mutex_);
    const auto at = callbacks_.find(id);
    if (at == callbacks_.end()) return;
    callback.emplace(at->second);
    if (is_last) callbacks_.erase(at);
    running_ = id;
    running_life_ = &callback->life();
  }
  (*callback)(nullptr);
  {
    const std::lock_guard lock(mutex_);
    running_ = 0;
    running_life_ = nullptr;
  }
  returned_.notify_all();
}

bool CallbackTable::Remove(std::uint64_t id, const InstanceLife& life) {
  std::optional<Callback> removed;  // dropped without the lock
  std::unique_lock lock(mutex_);
  const auto at = callbacks_.find(id);
  const bool is_there = at != callbacks_.end() && &at->second.life() == &life;
  const bool is_running = running_ == id && running_life_ == &life;
  if (is_there) {
    removed.emplace(std::move(at->second));
    callbacks_.erase(at);
  }
  if (is_running && !control_.IsCurrent()) returned_.wait(lock, [&] { return running_ != id; });
  lock.unlock();
  return is_there || is_running;
}

std::vector<std::uint64_t> CallbackTable::RemoveAll(const InstanceLife& life) {
  std::vector<std::uint64_t> ids;
  std::vector<Callback> removed;  // dropped without the lock
  const std::lock_guard lock(mutex_);
  for (auto at = callbacks_.begin(); at != callbacks_.end();) {
    if (&at->second.life() == &life) {
      ids.push_back(at->first);
      removed.push_back(std::move(at->second));
      at = callbacks_.erase(at);
    } else {
      ++at;
    }
  }
  return ids;
}

}  // namespace sgw::core
