// EndpointTable: what the process knows of every endpoint, whichever worker learnt it.
//
// Two servers at one address are told apart by their incarnation. An endpoint to which no connection can be opened is
// set aside for a while: 250 ms at first, twice as long after each failure, at most 5 s. Meanwhile nobody waits for it.
// While sessions are bound to it, one worker goes on trying, so that a server that is gone is noticed without a call.
//
// The table and the states are safe for concurrent use.
#pragma once

#include <sgw/values.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/worker/clock.h"

namespace sgw::core {

class UpstreamPool;

// Hears of attempts to connect that fail. On a worker, without any lock of this room. What is heard lately may be stale
// by the time it is acted on: a newer event may be on its way on another worker.
class EndpointListener {
 public:
  virtual ~EndpointListener() = default;
  // An attempt failed, and so has every attempt since `since`, when the first of them began; there were no long gaps
  // between them, and no connection is open. Not told of a server that is there and is not trusted.
  virtual void OnUnreachable(const std::string& address, const std::string& incarnation, SteadyTime since,
                             const Status& why) = 0;
};

// One endpoint. Its streams and connections are counted by the pools.
class EndpointState {
 public:
  EndpointState(std::string endpoint_address, std::string endpoint_incarnation)
      : address(std::move(endpoint_address)), incarnation(std::move(endpoint_incarnation)) {}

  // Why no attempt is to be made now; OK when one may be.
  Status SetAside(SteadyTime now) const;
  bool is_set_aside(SteadyTime now) const { return until_.load(std::memory_order_relaxed) > now.time_since_epoch(); }
  // How long until the pause ends; zero when there is none.
  SteadyTime::duration pause_left(SteadyTime now) const;
  bool is_failing() const { return failures_ > 0; }
  // When the newest attempt failed; long ago when none has.
  SteadyTime last_failure() const;

  const std::string address;
  const std::string incarnation;
  std::atomic<int> connections{0};
  std::atomic<int> streams{0};
  std::atomic<int> bound{0};  // sessions that live there
  // The pool that goes on trying while sessions are bound; null: none does.
  std::atomic<const UpstreamPool*> prober{nullptr};

 private:
  friend class EndpointTable;

  mutable std::mutex mutex_;      // Guards all below without an atomic; until_ is written under it.
  std::atomic<int> failures_{0};  // in a row
  std::uint64_t total_failures_ = 0;
  SteadyTime since_{};
  SteadyTime last_failure_{};
  std::atomic<SteadyTime::duration> until_{};
  std::string last_error_;
  std::string distrust_;  // of the newest failure; empty when nobody was there
  std::string refuses_because_;
};

// One row of what an operator sees.
struct EndpointView {
  std::string address;
  std::string incarnation;
  std::string state;  // "connected", "idle", "failing", "refusing" the gateway's token or the lack of one
  int connections = 0;
  int streams = 0;
  std::uint64_t failures = 0;  // attempts to connect, since it is known
  std::string last_error;      // empty unless failing or refusing
};

class EndpointTable {
 public:
  explicit EndpointTable(const Clock& clock = Clock::Real()) : clock_(clock) {}

  // Before the first call; null: nobody listens.
  void SetListener(EndpointListener* listener) { listener_ = listener; }
  // Told when the connections of an endpoint are not needed, unless sessions are bound to it; see UpstreamPools. When
  // this returns, the one before is not told any more.
  void SetWithdrawn(std::function<void(const std::string& address, const std::string& incarnation)> on_withdrawn) {
    const std::lock_guard lock(telling_);
    on_withdrawn_ = std::move(on_withdrawn);
  }

  // The state of an endpoint; it stays known while somebody holds it.
  std::shared_ptr<EndpointState> Of(const std::string& address, const std::string& incarnation);

  // Discoveries have these from now on, or no longer: what each List said one Unlist takes back. An endpoint that none
  // has any more, and no session, is withdrawn: its connections take no more streams, and close when they have none.
  void List(const std::vector<Endpoint>& endpoints);
  void Unlist(const std::vector<Endpoint>& endpoints);
  // A session lives there from now on, or no longer; each Bind has one Unbind. An endpoint that had sessions and has
  // none is withdrawn, too.
  void Bind(const std::string& address, const std::string& incarnation);
  void Unbind(const std::string& address, const std::string& incarnation);

  std::vector<EndpointView> Snapshot() const;
  const Clock& clock() const { return clock_; }

  // By the pools: how an attempt that began at `started` ended. `why` is for callers; `distrust`, for operators, says
  // what is wrong with a server that is there, and is empty when nobody is.
  void Reached(EndpointState& state);
  void Failed(EndpointState& state, SteadyTime started, const Status& why, const std::string& distrust = {});

  // Of calls: the server takes none of the gateway's until that has another token for it. Operators hear of each change
  // once.
  void Refused(const Endpoint& endpoint, const std::string& why);
  // A call to it has succeeded. Costs one load while no server refuses the gateway.
  void Answered(const Endpoint& endpoint) {
    if (refusing_count_.load(std::memory_order_relaxed) > 0) Takes(endpoint);
  }

 private:
  void Sweep();
  void Takes(const Endpoint& endpoint);
  void TellWithdrawn(const std::string& address, const std::string& incarnation);

  const Clock& clock_;
  EndpointListener* listener_ = nullptr;
  std::shared_mutex telling_;  // Guards on_withdrawn_.
  std::function<void(const std::string&, const std::string&)> on_withdrawn_;
  mutable std::mutex mutex_;  // Guards all below.
  std::unordered_map<std::string, std::weak_ptr<EndpointState>> states_;
  std::unordered_map<std::string, std::shared_ptr<EndpointState>> bound_;
  std::unordered_map<std::string, int> listed_;                               // in how many snapshots
  std::unordered_map<std::string, std::shared_ptr<EndpointState>> refusing_;  // and those that did when last used
  std::atomic<std::size_t> refusing_count_{0};                                // written under the mutex
  std::size_t sweep_at_ = 64;
};

// What tells one endpoint from another.
std::string EndpointKey(std::string_view address, std::string_view incarnation);
// The same in the memory that `key` has.
void AssignEndpointKey(std::string& key, std::string_view address, std::string_view incarnation);

}  // namespace sgw::core
