// Servers: which server a sharing key has, and how it gets one.
//
//   (none) ──Claim──▶ acquisition ──▶ unclaimed ──Join──▶ bound ──last Leave──▶ given back
//                         │ fails          │ nobody came       │ Lose
//                         ▼                ▼                   ▼
//                  remembered a while   given back       given back as lost
//
// An acquisition belongs to its key: callers wait for it, leave, come back and find what came of it. At most one runs
// for a key. A leased server has one key; a discovered one may have many.
//
// Safe for concurrent use: one mutex guards all, and nothing is called out under it. Runs of the pipeline live on the
// worker that began them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/pipeline/pipeline.h"
#include "core/session/binding.h"
#include "core/session/lease.h"
#include "core/session/session_route.h"
#include "core/upstream/endpoint_table.h"

namespace sgw::core {

// The server of one sharing key.
class BoundServer {
 public:
  BoundServer(std::string sharing_key, const Endpoint& at, Instance* giver, std::string giver_name, std::string lease);

  const std::string key;
  const std::string address;
  const std::string incarnation;
  const std::string lease_id;     // empty for a discovered server
  Instance* const source;         // null: it is not configured any more
  const std::string source_name;  // of the instance

  bool is_leased() const { return !lease_id.empty(); }
  bool is_lost() const { return is_lost_; }
  std::string lost_because() const;
  // After a restart: whoever gave the server has said that it is there, and its token is known again. Nobody goes there
  // before; of one that was lost first, it is never so.
  bool is_confirmed() const { return is_confirmed_; }
  std::shared_ptr<const Endpoint> endpoint() const;
  // The same, as its newest session has it: what many say is kept once.
  RoutePtr Share(RoutePtr route);

 private:
  friend class Servers;

  std::atomic<bool> is_lost_{false};
  std::atomic<bool> is_confirmed_{true};
  // Before a restart it was sent a token, or headers of its own, which are not written down.
  std::atomic<bool> had_credentials_{false};
  mutable std::mutex mutex_;  // Guards endpoint_, newest_route_ and lost_because_.
  std::shared_ptr<const Endpoint> endpoint_;
  RoutePtr newest_route_;
  std::string lost_because_;

  // Guarded by the mutex of Servers.
  HeldLease lease_;
  int sessions_ = 0;
  bool was_claimed_ = false;  // one has lived there
  bool was_used_ = false;     // one that has left says that calls went there
  SteadyTime since_;
};

using ServerPtr = std::shared_ptr<BoundServer>;

class Servers final : public EndpointListener {
 public:
  Servers(const Config& config, std::shared_ptr<const Pipeline> pipeline, EndpointTable& endpoints,
          HostServices& services);
  ~Servers() override;

  struct Wanted {
    std::string key;
    std::string session_key;
    // ReattachExecute of an unknown session: it may claim what is on its way, unclaimed, or was promised to its
    // session; nothing is acquired for it, unless its session was asked to come again.
    bool is_reattach = false;
  };
  using Done = std::function<void(Result<ServerPtr>)>;
  // For whose server is not confirmed.
  static Status IsAskedFor();

  // The server of the key, found when there is none. Returns 0 when `done` was called already, else the number of a
  // waiter whose `done` will be called on this worker. NOT_FOUND: nothing is there for a reattach. UNAVAILABLE: also
  // for one that is not confirmed; the session is expected to come again. RESOURCE_EXHAUSTED: limits.waiting_callers.
  std::uint64_t Claim(const Wanted& wanted, const CallContext& context, Done done);
  void StopWaiting(const std::string& key, std::uint64_t waiter);
  // For a caller that has waited for `hold`: UNAVAILABLE, with how far its server is. Its session is expected to come
  // again, and hears then how the acquisition ended.
  Status StillStarting(const Wanted& wanted, const Route& route);
  // Whether a pool's lease is on the server: it is one key's alone.
  bool is_leased(const std::string& address) const;

  // A session lives there from now on; each Join that was true has one Leave. False: the server has gone.
  bool Join(const ServerPtr& server, const std::string& session_key);
  void Leave(const ServerPtr& server, LeaseOutcome outcome);

  // These, and no other key's at the same address. Those that are lost already are passed over. `is_told`: operators
  // have heard why.
  void Lose(const std::vector<ServerPtr>& servers, const std::string& why, bool is_told = false);
  void LoseLease(const std::string& instance, const std::string& lease_id, const std::string& why);
  void LoseEndpoint(const std::string& address, const std::string& incarnation, const std::string& why);
  // A discovery says so: a discovered server whose address has another incarnation now is lost.
  void LoseReplaced(const std::vector<Endpoint>& endpoints);
  void OnUnreachable(const std::string& address, const std::string& incarnation, SteadyTime since,
                     const Status& why) override;

  // A session of an earlier process lives there; it has joined. Null: another server has its key.
  ServerPtr Restore(const Binding& binding);
  // Asks for all that were restored, once all bindings were read: what is known of a server is in any of them.
  void ConfirmRestored();

  // Gives back what nobody came for and forgets old failures. Control thread.
  void Sweep();
  // Nothing more is acquired, and what runs is cancelled; unclaimed servers go back, and bound ones unless they are
  // kept for a later process. The workers still run. Once.
  void Stop(bool are_bound_kept);

  struct Counts {
    std::size_t starting = 0;
    std::size_t unclaimed = 0;
    std::size_t bound = 0;
    std::size_t waiting_callers = 0;
  };
  Counts counts() const;

 private:
  struct Acquisition;
  struct Failure {
    Status status;
    SteadyTime fresh_until;  // everybody hears it
    SteadyTime until;        // sessions that were told to come again hear it
  };
  struct AtAddress {
    std::unordered_map<BoundServer*, ServerPtr> servers;
    std::unordered_map<std::string, int> discovered;  // how many of them by incarnation
    int leased = 0;
  };
  // What is to be done without the lock after a server has left the tables.
  struct Removed {
    ServerPtr server;
    HeldLease lease;
  };

  // The session was asked to come again; with the lock.
  void Expect(const std::string& session_key);
  void Acquired(const std::shared_ptr<Acquisition>& acquisition, Result<Found> found);
  Result<ServerPtr> Take(const std::string& key, const Found& found);
  std::optional<Endpoint> Choose(const std::vector<Endpoint>& endpoints);
  void Insert(const ServerPtr& server);
  Removed Remove(const ServerPtr& server);
  void GiveBack(std::vector<Removed> removed, LeaseOutcome outcome);
  SteadyTime Now() const { return services_.clock->Now(); }

  // servers_restore.cpp, on the control thread.
  // With the mutex: whether it is its key's still.
  bool Has(const ServerPtr& server) const;
  struct Confirmation;
  void Confirm(const std::shared_ptr<Confirmation>& confirmation);
  void OnConfirmed(const std::shared_ptr<Confirmation>& confirmation, PluginAnswer answer);
  void AskAgain(const std::shared_ptr<Confirmation>& confirmation);
  void OnMissing(const std::shared_ptr<Confirmation>& confirmation);
  void Confirmed(const std::shared_ptr<Confirmation>& confirmation, const Endpoint* endpoint);

  const SessionsConfig config_;
  const std::size_t max_waiting_;
  const std::shared_ptr<const Pipeline> pipeline_;
  EndpointTable& endpoints_;
  HostServices& services_;

  mutable std::mutex mutex_;                            // Guards all below.
  std::unordered_map<std::string, ServerPtr> servers_;  // by key
  std::unordered_set<ServerPtr> unclaimed_;
  std::unordered_map<std::string, ServerPtr> leases_;  // by instance and lease
  std::unordered_map<std::string, AtAddress> by_address_;
  std::unordered_map<std::string, std::shared_ptr<Acquisition>> acquisitions_;
  std::unordered_map<std::string, Failure> failures_;
  std::unordered_map<std::string, SteadyTime> expected_;  // sessions that were told to come again
  std::unordered_set<std::shared_ptr<Confirmation>> confirmations_;
  std::uint64_t next_waiter_ = 1;
  std::size_t waiting_ = 0;
  bool is_stopped_ = false;
};

}  // namespace sgw::core
