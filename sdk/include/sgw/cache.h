// Cache: remembers answers for a while, and asks once when many want the same.
#pragma once

#include <sgw/completion.h>
#include <sgw/values.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sgw {

// A bounded map whose entries end, with single flight: while a key is being loaded, everybody who asks for it waits for
// that one load. Failures are told to all who wait and not remembered.
//
// The least recently used entry goes when the cache is full; as many loads may run at once as it has entries, and one
// more is refused with UNAVAILABLE. The time is the caller's (Host::Now()), so tests can move it. Safe for concurrent
// use; no callback runs under its lock, and a load may end after the Cache is gone.
template <typename Key, typename Value, typename Hash = std::hash<Key>>
class Cache {
 public:
  // A loaded value and the time from which on it is no longer used.
  struct Fresh {
    Value value{};
    MonotonicTime until{};
  };
  using Loaded = Completion<Result<Fresh>>;
  using Waiter = std::function<void(Result<Value>)>;

  explicit Cache(std::size_t max_entries) : state_(std::make_shared<State>(max_entries)) {}

  // The value that is still good at `now`.
  std::optional<Value> Find(const Key& key, MonotonicTime now) {
    const std::lock_guard lock(state_->mutex);
    const Value* value = state_->Find(key, now);
    return value ? std::optional<Value>(*value) : std::nullopt;
  }

  void Put(const Key& key, Value value, MonotonicTime until) {
    const std::lock_guard lock(state_->mutex);
    state_->Put(key, {std::move(value), until});
  }

  void Remove(const Key& key) {
    const std::lock_guard lock(state_->mutex);
    state_->Remove(key);
  }

  // Tells `done` the value: at once when it is known, else after `load` has completed the Loaded that it is given, or
  // the load that runs already has.
  void Fetch(const Key& key, MonotonicTime now, Waiter done, const std::function<void(Loaded)>& load) {
    std::optional<Result<Value>> known;
    {
      const std::lock_guard lock(state_->mutex);
      if (const Value* value = state_->Find(key, now)) {
        known = *value;
      } else if (auto flight = state_->flights.find(key); flight != state_->flights.end()) {
        flight->second.push_back(std::move(done));
        return;
      } else if (state_->flights.size() >= state_->max_entries) {
        known = Unavailable("too many questions of this kind are waiting", RetryIn(1s));
      } else {
        state_->flights[key].push_back(std::move(done));
      }
    }
    // Known is only what nobody waits for. NOLINTNEXTLINE(bugprone-use-after-move)
    if (known) return done(*std::move(known));
    const Loaded loaded([state = state_, key](Result<Fresh> result) { state->Land(key, std::move(result)); });
    load(loaded);
  }

  std::size_t size() const {
    const std::lock_guard lock(state_->mutex);
    return state_->order.size();
  }

 private:
  struct State {
    using Order = std::list<std::pair<Key, Fresh>>;

    explicit State(std::size_t max) : max_entries(max == 0 ? 1 : max) {}

    const Value* Find(const Key& key, MonotonicTime now) {
      const auto found = entries.find(key);
      if (found == entries.end()) return nullptr;
      if (found->second->second.until <= now) {
        Remove(key);
        return nullptr;
      }
      order.splice(order.begin(), order, found->second);
      return &found->second->second.value;
    }
    void Put(const Key& key, Fresh fresh) {
      Remove(key);
      order.emplace_front(key, std::move(fresh));
      entries[key] = order.begin();
      if (order.size() <= max_entries) return;
      entries.erase(order.back().first);
      order.pop_back();
    }
    void Remove(const Key& key) {
      const auto found = entries.find(key);
      if (found == entries.end()) return;
      const auto at = found->second;
      entries.erase(found);
      order.erase(at);
    }
    void Land(const Key& key, Result<Fresh> result) {
      std::vector<Waiter> waiters;
      {
        const std::lock_guard lock(mutex);
        if (result) Put(key, *result);
        const auto flight = flights.find(key);
        if (flight == flights.end()) return;
        waiters = std::move(flight->second);
        flights.erase(flight);
      }
      const Result<Value> told = result ? Result<Value>(result->value) : Result<Value>(result.status());
      for (const Waiter& waiter : waiters) waiter(told);
    }

    const std::size_t max_entries;
    std::mutex mutex;  // Guards the members below.
    Order order;       // The last used one is in front.
    std::unordered_map<Key, typename Order::iterator, Hash> entries;
    std::unordered_map<Key, std::vector<Waiter>, Hash> flights;
  };

  std::shared_ptr<State> state_;
};

}  // namespace sgw
