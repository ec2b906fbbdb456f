// WarmServers: the state of a WarmPool, whatever its launcher.
//
// Every event (a question, a release, the end of a start) changes the state and wakes the control thread. There one
// turn compares what is with what should be, and asks the launcher for the difference until there is none.
#pragma once

#include <sgw/call.h>
#include <sgw/detail/control_loop.h>
#include <sgw/detail/warm_pool_rules.h>
#include <sgw/host.h>
#include <sgw/launcher.h>
#include <sgw/values.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sgw::detail {

// Safe for concurrent use. No call leaves under the mutex, except into the glue that defers an answer.
class WarmServers : public std::enable_shared_from_this<WarmServers> {
 public:
  WarmServers(WarmPoolRules rules, Host& host);

  // Before everything else.
  void Use(Launcher& launcher);
  void Start(Completion<Status> done);
  void Quiesce(const Completion<Status>& done);
  void Stop(Completion<Status> done);
  // The launcher and the host are about to go.
  void Close();

  PoolAnswer Acquire(const PoolCall& call);
  void Release(std::string_view lease_id, LeaseOutcome outcome);
  Result<Lease> Redeem(std::string_view lease_id);
  std::string Describe() const;

 private:
  enum class State : std::uint8_t { kStarting, kWarm, kLeased, kAdopted, kStopping };
  static constexpr std::string_view kStateNames[] = {"starting", "warm", "leased", "adopted", "stopping"};
  struct Waiter {
    std::uint64_t number;
    Completion<PoolAnswer> done;
    PhaseReport phase;
  };
  // Questions of one sharing key that wait for a server.
  struct Claim {
    std::string key;
    MonotonicTime since;
    std::vector<Waiter> waiters;
  };
  // Servers that are alike.
  struct Group {
    Route route;
    bool is_listed = false;
    MonotonicTime asked{};
    std::deque<Claim> claims{};
    std::int64_t failures = 0;  // in a row
    MonotonicTime retry{};
    std::string last_error{};
  };
  struct Slot {
    Server server;
    Group* group = nullptr;  // Null: listed by the launcher, and of an unknown Route.
    State state = State::kStarting;
    MonotonicTime since{};  // of the state
    std::string phase{};
    std::optional<std::string> key{};  // of the lease
    std::string lease_id{};
    std::int64_t handed_out = 0;
    std::int64_t failures_before = 0;  // of the group, in a row, when it became ready
    bool is_stop_asked = false;
    std::int64_t stop_failures = 0;
    MonotonicTime next_stop{};
  };
  using Actions = std::vector<std::function<void()>>;
  using Slots = std::vector<std::unique_ptr<Slot>>;

  // Events of the launcher.
  void OnListed(const Result<std::vector<Server>>& listed, const Completion<Status>& done);
  void OnStarted(const std::string& id, Result<Server> started);
  void OnStopped(const std::string& id, const Status& stopped);
  void OnPhase(const std::string& id, std::string_view phase);
  void OnGone(std::string_view id, std::string_view reason);
  void OnCancelled(const std::string& key, std::uint64_t waiter);

  // The control thread's turn.
  void Wake();
  std::function<void()> TurnLater();
  void Turn();
  void Run(const Actions& actions) const;
  // Everything below is called with the mutex held.
  Actions Reconcile(MonotonicTime now);
  void EndWhatIsOver(MonotonicTime now, Actions& actions);
  void FailClaims(Group& group, const Status& why, std::size_t keep, Actions& actions);
  void ServeClaims(Group& group, MonotonicTime now, Actions& actions);
  void Retire(Group& group, MonotonicTime now);
  void Grow(Group& group, std::int64_t target, MonotonicTime now, Actions& actions);
  void MakeRoom(const Group& group);
  void AskStops(MonotonicTime now, Actions& actions);
  void DropIdleGroups(MonotonicTime now);
  void Consider(MonotonicTime when, MonotonicTime now);

  Group& GroupOf(const Route& route);
  Slot* FindSlot(std::string_view id);
  Slot* OldestWarm(const Group& group);
  std::vector<Slot*> Starting(const Group& group);
  std::int64_t Count(State state, const Group* group = nullptr) const;
  std::int64_t Target(const Group& group, MonotonicTime now) const;
  std::int64_t CountClaims() const;
  void SetState(Slot& slot, State state);
  void StartFailed(Slot& slot, const Status& why, std::int64_t failures_before);
  Lease HandOut(Slot& slot, std::optional<std::string> key);
  Duration Pause(std::int64_t failures) const;
  void ShowNumbers() const;

  const WarmPoolRules rules_;
  Host& host_;
  Launcher* launcher_ = nullptr;
  const std::string id_prefix_;
  const Counter failures_;
  const Histogram warm_seconds_;
  const Histogram created_seconds_;
  std::array<Gauge, std::size(kStateNames)> numbers_;
  ControlLoop loop_;

  mutable std::mutex mutex_;  // Guards the members below.
  bool is_awake_ = false;
  bool is_started_ = false;
  bool is_quiesced_ = false;
  bool is_stopping_ = false;
  bool is_closed_ = false;
  MonotonicTime stop_deadline_{};
  std::optional<Completion<Status>> stopped_;
  std::map<std::string, Group> groups_;
  Slots slots_;   // the oldest first
  Actions owed_;  // what the next turn says to those who wait
  std::uint64_t last_id_ = 0;
  std::uint64_t last_waiter_ = 0;
  std::optional<MonotonicTime> next_;
};

}  // namespace sgw::detail

#include <sgw/detail/warm_servers_events.h>
#include <sgw/detail/warm_servers_turn.h>
