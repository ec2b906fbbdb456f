// Keeps bindings in memory: enough of a session store to run the conformance suite of its kind.
#include <sgw/plugin.h>

#include <map>
#include <mutex>
#include <string>

namespace {

class MemoryStore : public sgw::SessionStore {
 public:
  explicit MemoryStore(sgw::Host& host) : host_(host) {}

  void BindIfAbsent(std::string_view key, std::string_view binding, sgw::Duration ttl, Done done) override {
    sgw::SessionStore::Binding bound;
    {
      const std::lock_guard lock(mutex_);
      Entry& entry = entries_[std::string(key)];
      if (entry.until <= host_.Now()) entry = {std::string(binding), host_.Now() + ttl};
      bound = entry.binding;
    }
    done(bound);
  }
  void LookUp(std::string_view key, Done done) override { done(Find(key, {})); }
  void Touch(std::string_view key, sgw::Duration ttl, Done done) override { done(Find(key, ttl)); }
  void Remove(std::string_view key, Done done) override {
    const Binding removed = Find(key, {});
    {
      const std::lock_guard lock(mutex_);
      entries_.erase(std::string(key));
    }
    done(removed);
  }

 private:
  struct Entry {
    std::string binding;
    sgw::MonotonicTime until;
  };

  Binding Find(std::string_view key, std::optional<sgw::Duration> ttl) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(std::string(key));
    if (found == entries_.end() || found->second.until <= host_.Now()) return std::nullopt;
    if (ttl) found->second.until = host_.Now() + *ttl;
    return found->second.binding;
  }

  sgw::Host& host_;
  std::mutex mutex_;  // Guards entries_.
  std::map<std::string, Entry> entries_;
};

}  // namespace

SGW_SESSION_STORE("session_store_memory", MemoryStore, sgw::NoSettings)
