#include "core/session/store.h"

#include <vector>

namespace sgw::core {

Result<std::unique_ptr<BindingStore>> BindingStore::Open(const std::string& path, const Clock& clock,
                                                         MetricsRegistry& metrics) {
  std::unique_ptr<BindingStore> store(new BindingStore(clock));
  if (path.empty()) return store;
  std::map<std::string, JournalValue> found;
  auto journal = Journal::Open(
      path, metrics, clock.Wall(), [raw = store.get()](const Journal::Sink& sink) { raw->GiveAll(sink); }, found);
  if (!journal) return journal.status();
  store->journal_ = *std::move(journal);
  for (auto& [key, value] : found) store->ShardOf(key).values[key] = std::move(value);
  return store;
}

// The journal's writer reads the shards.
BindingStore::~BindingStore() { journal_.reset(); }

void BindingStore::BindIfAbsent(std::string_view key, std::string_view binding, Duration ttl, Done done) {
  std::string holds;
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    JournalValue& value = shard.values[std::string(key)];
    if (value.text.empty() || value.until <= clock_.Wall()) {
      value = {std::string(binding), clock_.Wall() + ttl};
      if (journal_) journal_->Set(std::string(key), value);
    }
    holds = value.text;
  }
  done(Binding(std::move(holds)));
}

void BindingStore::LookUp(std::string_view key, Done done) {
  Binding holds;
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.values.find(std::string(key));
    if (at != shard.values.end() && at->second.until > clock_.Wall()) holds = at->second.text;
  }
  done(std::move(holds));
}

void BindingStore::Touch(std::string_view key, Duration ttl, Done done) {
  Binding holds;
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.values.find(std::string(key));
    if (at != shard.values.end() && at->second.until > clock_.Wall()) {
      at->second.until = clock_.Wall() + ttl;
      if (journal_) journal_->Set(at->first, at->second);
      holds = at->second.text;
    }
  }
  done(std::move(holds));
}

void BindingStore::Remove(std::string_view key, Done done) {
  Binding removed;
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.values.find(std::string(key));
    if (at != shard.values.end()) {
      if (at->second.until > clock_.Wall()) removed = std::move(at->second.text);
      if (journal_) journal_->Remove(at->first);
      shard.values.erase(at);
    }
  }
  done(std::move(removed));
}

void BindingStore::ForEach(
    const std::function<void(const std::string& key, const std::string& binding)>& function) const {
  GiveAll([&](const std::string& key, const JournalValue& value) { function(key, value.text); });
}

void BindingStore::GiveAll(const Journal::Sink& sink) const {
  for (const Shard& shard : shards_) {
    std::vector<std::pair<std::string, JournalValue>> values;
    {
      const std::lock_guard lock(shard.mutex);
      values.assign(shard.values.begin(), shard.values.end());
    }
    // Without the lock: a slow disk may be behind this.
    for (const auto& [key, value] : values) sink(key, value);
  }
}

void BindingStore::Sweep() {
  const WallTime now = clock_.Wall();
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    std::erase_if(shard.values, [&](const auto& one) {
      if (one.second.until > now) return false;
      if (journal_) journal_->Remove(one.first);
      return true;
    });
  }
}

void BindingStore::Flush() {
  if (journal_) journal_->Flush();
}

}  // namespace sgw::core
