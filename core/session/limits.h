// Limits: how many sessions, running operations and calls in a second there may be: of one subject, and of all whose
// Routes carry a limit of the same name.
//
// What is counted is counted for all workers together, and forgotten when it is nothing. An Allowance is what one
// session may have: it is found once, and asked without a lock from then on.
//
// Safe for concurrent use.
#pragma once

#include <sgw/status.h>
#include <sgw/values.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/worker/clock.h"
#include "core/worker/metrics_registry.h"

namespace sgw::core {

// What is had for a time, and counted as long.
enum class Limited : std::uint8_t { kSessions, kOperations };

class Allowance;

// One that is counted, until this goes. Moves.
class Hold {
 public:
  Hold() = default;
  Hold(Hold&& other) noexcept = default;
  Hold& operator=(Hold&& other) noexcept;
  ~Hold() { Release(); }
  void Release();
  explicit operator bool() const { return of_ != nullptr; }

 private:
  friend class Allowance;
  Hold(std::shared_ptr<const Allowance> of, Limited what) : of_(std::move(of)), what_(what) {}

  std::shared_ptr<const Allowance> of_;
  Limited what_{};
};

class Limits {
 public:
  // How many sessions a subject may have whose policy does not say it.
  Limits(MetricsRegistry& metrics, std::int64_t sessions_per_subject);

  // What the subject may have with this policy.
  Allowance For(const Identity& identity, const Policy& policy);
  // Forgets what has nothing and has not called for as long as its limits look back.
  void Sweep(SteadyTime now);
  // How many subjects and names are counted.
  std::size_t size() const;

 private:
  friend class Allowance;

  // One subject, or all of a shared limit.
  struct Tally {
    explicit Tally(std::optional<std::string> of) : name(std::move(of)) {}
    const std::optional<std::string> name;  // of a shared limit; none: a subject's own
    std::array<std::atomic<std::int64_t>, 2> has{};
    // The token bucket is full at this time: each call moves it on by what a call takes to refill.
    std::atomic<std::int64_t> full_at_ns{0};
  };
  struct Shard {
    mutable std::mutex mutex;  // Guards tallies.
    std::unordered_map<std::string, std::shared_ptr<Tally>> tallies;
  };
  // What was refused: by kind, of a subject or shared.
  struct Refusals {
    std::array<std::array<Series*, 2>, 3> by_kind;
  };

  std::shared_ptr<Tally> TallyOf(const std::string& key, std::optional<std::string> name);

  const std::int64_t sessions_per_subject_;
  Refusals refusals_{};
  std::array<Shard, 16> shards_;
};

// The Limits live longer.
class Allowance {
 public:
  Allowance() = default;  // nothing is limited

  // Whether one more is allowed now. RESOURCE_EXHAUSTED: which limit is reached, and what to do.
  Status Check(Limited what) const;
  // One more is had, until `into` goes; all limits allow it, or none counts it.
  static Status Take(std::shared_ptr<const Allowance> of, Limited what, Hold& into);
  // One more is there, whatever the limits say.
  static Hold Add(std::shared_ptr<const Allowance> of, Limited what);
  bool counts_calls() const { return counts_calls_; }
  // Counts a call. RESOURCE_EXHAUSTED says when to come again.
  Status CountCall(SteadyTime now) const;

 private:
  friend class Hold;
  friend class Limits;

  struct Bound {
    std::shared_ptr<Limits::Tally> tally;
    std::array<std::int64_t, 2> may_have;  // -1: as many as it likes
    std::int64_t calls_per_second = -1;
    std::int64_t burst = 0;
    // A Route may say more than one thing of one name: all of it holds, and what is had counts once.
    void And(const Bound& other);
  };

  static Status TooMany(const Bound& bound, Limited what);
  static bool TakeCall(const Bound& bound, std::int64_t now_ns, std::int64_t& wait_ns);
  void Give(Limited what, std::size_t bounds) const;
  void Count(std::size_t kind, const Bound& bound) const;

  const Limits::Refusals* refusals_ = nullptr;
  std::vector<Bound> bounds_;
  bool counts_calls_ = false;
};

}  // namespace sgw::core
