// SessionTable: the state behind Sessions, and the rules that change it. For sources of this room.
//
// Two kinds of locks, never held together but in this order: a shard's, then groups_mutex_. Nothing is called out under
// either.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "core/session/journal.h"
#include "core/session/sessions.h"
#include "core/worker/clock.h"

namespace sgw::core {

// The server of one sharing key, and how many sessions live there.
struct ServerGroup {
  std::string key;
  Endpoint endpoint;
  std::string lease_id;        // empty for a discovered endpoint
  Instance* source = nullptr;  // null: restored, and its plugin is not there any more
  std::string source_name;
  std::atomic<bool> is_lost{false};

  // Guarded by groups_mutex_.
  std::string lost_because;
  int sessions = 0;
  bool was_claimed = false;
  SteadyTime since;  // when it was found
};

struct SessionEntry {
  std::string key;
  std::string session_id;
  Identity identity;
  Route route;
  StringMap routing_headers;  // those that the Route was made from, as they were sent
  std::shared_ptr<ServerGroup> group;
  SteadyTime created;

  // Guarded by the shard's mutex.
  std::vector<std::string> groups_seen;
  SteadyTime last_used;
  SteadyTime last_checked;
  int open_streams = 0;
  std::map<std::string, SteadyTime> operations;  // running ones, with when they were last seen
  bool is_ended = false;
};

// One acquisition: a sharing key that has no server yet. Guarded by groups_mutex_.
struct Acquisition {
  struct Waiter {
    std::uint64_t id;
    Worker* worker;
    std::function<void(Result<std::shared_ptr<ServerGroup>>)> done;
  };
  std::unique_ptr<Run> run;
  std::vector<Waiter> waiters;
  std::string phase;
  SteadyTime since;
};

class SessionTable : public EndpointListener {
 public:
  SessionTable(const Config& config, std::shared_ptr<const Pipeline> pipeline, EndpointTable& endpoints,
               HostServices& services);
  ~SessionTable() override;

  Status OpenJournal(const std::string& path);
  void RestoreAll();

  static std::string KeyOf(const Identity& identity, const std::string& session_id);
  std::string SharingKeyOf(const CallContext& context) const;

  // Known sessions, table.cpp. Enter: the session, with a stream counted; null when unknown. A tombstone is a Status.
  Result<std::shared_ptr<SessionEntry>> Enter(const std::string& key);
  // Binds a session to the group unless it is bound already; the one that holds, with a stream counted.
  Result<std::shared_ptr<SessionEntry>> Bind(const CallContext& context, const std::string& key,
                                             const std::shared_ptr<ServerGroup>& group);
  void BindClone(const SessionEntry& of, const std::string& new_session_id);
  void NoteOperation(SessionEntry& session, const std::string& operation_id);
  // Whether the router is to be asked again about a session that it placed.
  bool IsDue(const SessionEntry& session, const std::vector<std::string>& groups);
  // The router was asked again, and still sends this session where it is.
  void Checked(SessionEntry& session, const std::vector<std::string>& groups);
  bool is_full() const { return session_count_ >= config_.limits.sessions; }
  void Leave(SessionEntry& session, const std::function<void(SessionEntry&)>& note);
  // Ends a session: a tombstone with this refusal stays, unless it is OK.
  void End(const std::shared_ptr<SessionEntry>& session, std::uint32_t event, const std::string& reason,
           const Status& tombstone, LeaseOutcome outcome);
  std::vector<SessionView> List() const;
  Status EndByOperator(const std::string& session_id, const std::string& subject);

  // Servers, servers.cpp. Claim: the server of a key; may answer in line. `limit` of waiting applies.
  // `only_if_expected`: nothing is acquired; NOT_FOUND when the session was not waiting for this key before.
  struct ClaimRequest {
    std::string key;
    std::string session_key;
    bool only_if_expected = false;
  };
  // Returns the waiter's number, 0 when it was answered in line.
  std::uint64_t Claim(const ClaimRequest& request, const CallContext& context,
                      std::function<void(Result<std::shared_ptr<ServerGroup>>)> done);
  void StopWaiting(const std::string& key, std::uint64_t waiter);
  // What a caller whose hold has passed is told.
  Status StillStarting(const std::string& key, const Route& route);
  // False: the group has gone meanwhile.
  bool AddSession(const std::shared_ptr<ServerGroup>& group);
  void DropSession(const std::shared_ptr<ServerGroup>& group, LeaseOutcome outcome);
  void Lose(const std::function<bool(const ServerGroup&)>& which, const std::string& why);

  // EndpointListener.
  void OnReachable(const std::string& address, const std::string& incarnation) override;
  void OnUnreachable(const std::string& address, const std::string& incarnation, SteadyTime since,
                     const Status& why) override;

  // sweep.cpp, on the control thread.
  void Sweep();
  void StopSweeping() { sweep_.Cancel(); }

  const Pipeline& pipeline() const { return *pipeline_; }
  HostServices& services() { return services_; }
  const Config& config() const { return config_; }
  SteadyTime Now() const { return services_.clock->Now(); }

 private:
  struct Tombstone {
    Status refusal;
    SteadyTime until;
  };
  struct Shard {
    mutable std::mutex mutex;  // Guards all below.
    std::unordered_map<std::string, std::shared_ptr<SessionEntry>> sessions;
    std::unordered_map<std::string, Tombstone> tombstones;
  };
  Shard& ShardOf(const std::string& key) { return shards_[std::hash<std::string>()(key) % shards_.size()]; }

  void Insert(const std::shared_ptr<SessionEntry>& session);
  void Acquired(const std::string& key, Result<Found> found);
  std::optional<Endpoint> ChooseDiscovered(const std::vector<Endpoint>& endpoints);
  void GiveBack(const ServerGroup& group, LeaseOutcome outcome);
  void TellObservers(std::uint32_t event, const SessionEntry& session, const std::string& reason);
  void Restore(const JournalBinding& binding);

  const Config config_;
  const std::shared_ptr<const Pipeline> pipeline_;
  EndpointTable& endpoints_;
  HostServices& services_;
  std::unique_ptr<Journal> journal_;
  std::vector<JournalBinding> to_restore_;
  std::array<Shard, 32> shards_;
  std::atomic<std::int64_t> session_count_{0};

  mutable std::mutex groups_mutex_;  // Guards all below.
  std::unordered_map<std::string, std::shared_ptr<ServerGroup>> groups_;
  std::unordered_map<std::string, Acquisition> acquisitions_;
  std::unordered_map<std::string, Tombstone> failures_;   // by sharing key; served for a short while
  std::unordered_map<std::string, SteadyTime> expected_;  // session keys that were told to come again
  std::map<std::string, int> bound_to_;                   // address -> groups there
  std::uint64_t next_waiter_ = 1;
  std::size_t waiting_ = 0;

  Timer sweep_;
  Series& opened_;
  Series& closed_;
  Series& lost_;
};

}  // namespace sgw::core
