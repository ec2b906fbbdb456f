// SessionTable: the sessions that live in this process, and how they begin, are used, and end. For sources of this
// room.
//
// A session is written down in the store before it is used, and its end before it is forgotten: what the store holds is
// what counts.
//
// Safe for concurrent use: a mutex per shard, and nothing is called out under it.
#pragma once

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

#include "core/session/operations.h"
#include "core/session/servers.h"
#include "core/session/session_route.h"
#include "core/session/sessions.h"
#include "core/session/store.h"

namespace sgw::core {

// There may be 100,000 of them: what many have in common is kept once, and what few have is not kept here.
struct SessionEntry {
  SessionEntry(std::string key_text, ServerPtr on, SteadyTime since, RoutePtr its_route, Hold its_hold = {})
      : key(std::move(key_text)),
        server(std::move(on)),
        created(since),
        route(std::move(its_route)),
        hold(std::move(its_hold)) {}

  const std::string key;  // see SessionTable::KeyOf
  const ServerPtr server;
  const SteadyTime created;

  // Guarded by the shard's mutex.
  RoutePtr route;
  Hold hold;  // it counts as a session until its end
  SteadyTime last_used = created;
  SteadyTime last_checked = created;
  SteadyTime last_touched = created;  // in the store
  int open_streams = 0;
  // Those of open_streams that were placed.
  boost::intrusive::list<SessionTicket, boost::intrusive::constant_time_size<false>> tickets{};
  std::unique_ptr<Operations> operations{};  // null: it had none
  struct Ended {
    Status refusal;        // what callers hear; OK: it may begin anew
    LeaseOutcome outcome;  // for its server, when the last stream has gone
  };
  std::unique_ptr<const Ended> ended{};  // null: it lives

  std::string_view session_id() const;
  std::size_t running() const { return operations ? operations->size() : 0; }
  bool is_used() const { return open_streams > 0 || running() > 0; }
  Operations& all_operations();
};
using EntryPtr = std::shared_ptr<SessionEntry>;

StringMap Occurrences(const HeaderBlock& headers, const std::string& name);

class SessionTable {
 public:
  SessionTable(const Config& config, std::shared_ptr<const Pipeline> pipeline, std::unique_ptr<BindingStore> store,
               EndpointTable& endpoints, HostServices& services);

  static std::string KeyOf(const Identity& identity, const std::string& session_id);
  // What may share a server has the same one.
  std::string SharingKeyOf(const CallContext& context) const;
  // The Route that was found for the call, for a session of it.
  RoutePtr MakeRoute(const CallContext& context, const HeaderBlock& asked_with);
  // That of a session now, on any thread.
  RoutePtr RouteOf(const SessionEntry& session) const;

  // A session that lives here, with a stream counted until Leave.
  struct Entered {
    EntryPtr session{};
    RoutePtr route{};
    bool is_check_due = false;  // the router is to be asked again
    Status refusal{};           // not OK: it has ended
  };
  // Neither a session nor a refusal: it does not live here.
  Entered Enter(const std::string& key, const Identity& caller);
  // What the store has of a key that does not live here: a refusal, or whether it is bound all the same.
  void LookUp(const std::string& key, std::function<void(Result<bool>)> done);
  // Binds a new session to the server. The one that holds is given, which another call may have bound just now; it is
  // in neither state while that call is at it. RESOURCE_EXHAUSTED: there are as many sessions as may be. May answer on
  // any thread.
  void Bind(const RoutePtr& route, std::shared_ptr<const CallFacts> facts, const std::string& key,
            const ServerPtr& server, std::function<void(Result<Entered>)> done);
  // Binds a session, which was counted by the hold, to the server of another one.
  void BindClone(const EntryPtr& of, const std::string& new_session_id, const CallFacts& facts, Hold hold);
  // Whether a clone may have this id: INVALID_ARGUMENT when it lives elsewhere.
  Status CheckClone(const EntryPtr& of, const std::string& new_session_id);
  // The router still sends the session where it is.
  void Checked(const EntryPtr& session, const RoutePtr& route);
  // Hands the stream that was counted on to a ticket, until Leave. False: the session has ended meanwhile.
  bool Attach(SessionTicket& ticket);
  // A stream has gone: that of the ticket, or one that got none.
  void Leave(const EntryPtr& session, SessionTicket* ticket = nullptr);
  // Asks something of its operations, and gives the answer.
  bool WithOperations(SessionEntry& session, const std::function<bool(Operations&)>& ask);

  struct Ending {
    std::uint32_t event = 0;
    std::string reason{};
    Status refusal{};  // OK: the session may begin anew
    LeaseOutcome outcome = LeaseOutcome::kEnded;
    bool cuts_streams = false;
    const CallFacts* facts = nullptr;  // of the call that ended it
  };
  // False: it had ended already, or it is not due any more.
  bool End(const EntryPtr& session, const Ending& ending,
           const std::function<bool(const SessionEntry&)>& is_still_due = {});
  void EndLost(const EntryPtr& session);
  // Every one of them, and none is made any more. Their streams are ended by whoever has them.
  void EndAll(const std::string& reason);

  void Restore();
  // Control thread.
  void Sweep();

  std::vector<SessionView> List() const;
  std::vector<EntryPtr> Find(const SessionName& name) const;
  struct Counts {
    std::int64_t active = 0;  // with a stream or a running operation
    std::int64_t idle = 0;
  };
  Counts counts() const;
  bool is_full() const { return count_ >= max_sessions(); }
  std::int64_t max_sessions() const { return config_.limits.sessions; }

  const Config& config() const { return config_; }
  const Pipeline& pipeline() const { return *pipeline_; }
  Servers& servers() { return servers_; }
  BindingStore& store() { return *store_; }
  Limits& limits() { return limits_; }
  SteadyTime Now() const { return services_.clock->Now(); }

 private:
  // Sessions by their keys.
  struct ByKey {
    using is_transparent = void;
    static std::string_view Of(std::string_view key) { return key; }
    static std::string_view Of(const EntryPtr& session) { return session->key; }
    std::size_t operator()(const auto& one) const { return std::hash<std::string_view>()(Of(one)); }
    bool operator()(const auto& one, const auto& other) const { return Of(one) == Of(other); }
  };
  struct Shard {
    mutable std::mutex mutex;  // Guards sessions, and what is said at SessionEntry.
    std::unordered_set<EntryPtr, ByKey, ByKey> sessions;
  };
  Shard& ShardOf(std::string_view key) const { return shards_[ByKey()(key) % shards_.size()]; }
  Shard& ShardOf(const SessionEntry& session) const { return ShardOf(session.key); }

  // Writes the session down. False: another one holds the key. A refusal: it may not, or has ended.
  void Write(const EntryPtr& session, std::shared_ptr<const CallFacts> facts, std::function<void(Result<bool>)> done);
  std::string TextFor(const SessionEntry& session);
  // It lives here from now on. RESOURCE_EXHAUSTED: it may not.
  Status Insert(const EntryPtr& session, const CallFacts* facts);
  std::chrono::milliseconds TtlOf(const Route& route) const;
  void Bury(const std::string& key, const Status& refusal);
  void RemoveTombstone(const std::string& key);
  void Tell(std::uint32_t event, const SessionEntry& session, const std::string& reason, const CallFacts* facts,
            const std::string& operation_id = {}) const;

  const Config config_;
  const std::shared_ptr<const Pipeline> pipeline_;
  const std::unique_ptr<BindingStore> store_;
  HostServices& services_;
  Servers servers_;
  Limits limits_;
  mutable std::array<Shard, 32> shards_;
  std::atomic<std::int64_t> count_{0};
  std::atomic<bool> is_stopped_{false};
  std::atomic<std::int64_t> written_{0};
  std::mutex graves_mutex_;         // Guards graves_.
  std::deque<std::string> graves_;  // keys of tombstones in the store, oldest first
  Series& opened_;
  Series& closed_;
  Series& lost_;
};

}  // namespace sgw::core
