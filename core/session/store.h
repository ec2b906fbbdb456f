// BindingStore: the built-in session store: a sharded table in memory and, when there is a place for it, a journal of
// it on disk. It answers at once, on the thread that asks.
//
// Safe for concurrent use.
#pragma once

#include <sgw/session_store.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/session/journal.h"
#include "core/worker/clock.h"

namespace sgw::core {

class BindingStore final : public SessionStore {
 public:
  // `path`: of the journal; empty: nothing survives the process. What an earlier process has left is bound already.
  static Result<std::unique_ptr<BindingStore>> Open(const std::string& path, const Clock& clock,
                                                    MetricsRegistry& metrics);
  ~BindingStore() override;

  void BindIfAbsent(std::string_view key, std::string_view binding, Duration ttl, Done done) override;
  void LookUp(std::string_view key, Done done) override;
  void Touch(std::string_view key, Duration ttl, Done done) override;
  void Remove(std::string_view key, Done done) override;

  bool is_durable() const { return journal_ != nullptr; }
  // Everything that is bound, in no order.
  void ForEach(const std::function<void(const std::string& key, const std::string& binding)>& function) const;
  // Forgets what has ended by its ttl.
  void Sweep();
  // Waits until the disk has what was said before.
  void Flush();

 private:
  struct Shard {
    mutable std::mutex mutex;  // Guards values.
    std::unordered_map<std::string, JournalValue> values;
  };

  explicit BindingStore(const Clock& clock) : clock_(clock) {}
  Shard& ShardOf(std::string_view key) { return shards_[std::hash<std::string_view>()(key) % shards_.size()]; }
  void GiveAll(const Journal::Sink& sink) const;

  const Clock& clock_;
  std::array<Shard, 32> shards_;
  std::unique_ptr<Journal> journal_;
};

}  // namespace sgw::core
