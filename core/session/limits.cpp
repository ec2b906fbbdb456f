#include "core/session/limits.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kCalls = 2;  // beside the two of Limited
constexpr std::int64_t kSecond = 1'000'000'000;
// Who comes again sooner finds the bucket as empty, more often than not.
constexpr Duration kShortestRetry = 100ms;

constexpr std::size_t IndexOf(Limited what) { return static_cast<std::size_t>(what); }

std::int64_t NsOf(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

// Of two bounds the one that allows less; below 0 there is none.
std::int64_t Stricter(std::int64_t one, std::int64_t other) {
  return one < 0 || other < 0 ? std::max(one, other) : std::min(one, other);
}

// "1 session", "3 sessions".
std::string Counted(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

Hold& Hold::operator=(Hold&& other) noexcept {
  if (this != &other) {
    Release();
    of_ = std::move(other.of_);
    what_ = other.what_;
  }
  return *this;
}

void Hold::Release() {
  if (const auto of = std::exchange(of_, nullptr)) of->Give(what_, of->bounds_.size());
}

Limits::Limits(MetricsRegistry& metrics, std::int64_t sessions_per_subject)
    : sessions_per_subject_(sessions_per_subject) {
  constexpr std::array kKinds{"sessions", "operations", "calls_per_second"};
  for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
    for (const bool is_shared : {false, true}) {
      refusals_.by_kind[kind][is_shared] =
          &metrics.Counter("spark_gateway_limit_refusals_total", "Calls that a limit of their Route's policy refused.",
                           {{"limit", kKinds[kind]}, {"of", is_shared ? "shared" : "subject"}});
    }
  }
}

std::shared_ptr<Limits::Tally> Limits::TallyOf(const std::string& key, std::optional<std::string> name) {
  Shard& shard = shards_[std::hash<std::string>()(key) % shards_.size()];
  const std::lock_guard lock(shard.mutex);
  auto& tally = shard.tallies[key];
  if (!tally) tally = std::make_shared<Tally>(std::move(name));
  return tally;
}

Allowance Limits::For(const Identity& identity, const Policy& policy) {
  Allowance allowance;
  allowance.refusals_ = &refusals_;
  allowance.bounds_.reserve(1 + policy.limits.size());
  const auto add = [&](std::shared_ptr<Tally> tally, const auto& limits, std::int64_t max_sessions) {
    const std::int64_t rate = limits.calls_per_second.value_or(-1);
    allowance.counts_calls_ |= rate >= 0;
    const std::int64_t burst = std::clamp<std::int64_t>(limits.burst.value_or(rate), 1, kSecond);
    Allowance::Bound bound{std::move(tally),
                           {limits.max_sessions.value_or(max_sessions), limits.max_operations.value_or(-1)},
                           std::min(rate, kSecond),
                           burst};
    const auto same = std::find_if(allowance.bounds_.begin(), allowance.bounds_.end(),
                                   [&bound](const auto& other) { return other.tally == bound.tally; });
    same == allowance.bounds_.end() ? allowance.bounds_.push_back(std::move(bound)) : same->And(bound);
  };
  // A subject is counted without a limit, too: its next session may have one.
  add(TallyOf('s' + identity.realm + '\0' + identity.subject, std::nullopt), policy, sessions_per_subject_);
  for (const Limit& limit : policy.limits) add(TallyOf('l' + limit.name, limit.name), limit, -1);
  return allowance;
}

void Limits::Sweep(SteadyTime now) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    // Whoever has one more finds it here, under the lock, and nobody counts without having it.
    std::erase_if(shard.tallies,
                  [&](const auto& one) { return one.second.use_count() == 1 && one.second->full_at_ns <= NsOf(now); });
  }
}

std::size_t Limits::size() const {
  std::size_t size = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    size += shard.tallies.size();
  }
  return size;
}

void Allowance::Bound::And(const Bound& other) {
  for (std::size_t i = 0; i < may_have.size(); ++i) may_have[i] = Stricter(may_have[i], other.may_have[i]);
  if (other.calls_per_second < 0) return;
  burst = calls_per_second < 0 ? other.burst : std::min(burst, other.burst);
  calls_per_second = Stricter(calls_per_second, other.calls_per_second);
}

Status Allowance::TooMany(const Bound& bound, Limited what) {
  const bool is_session = what == Limited::kSessions;
  const std::int64_t may_have = bound.may_have[IndexOf(what)];
  const std::string limit = Counted(may_have, is_session ? "session" : "running operation");
  if (bound.tally->name) {
    return ResourceExhausted("The limit of " + *bound.tally->name + " is reached: " + limit +
                             " at a time, of all together. When one of them has ended, run this again.");
  }
  return ResourceExhausted("You have as many as you may have: " + limit + " at a time. " +
                           (is_session ? "End one with spark.stop()" : "Wait for one to end, or interrupt it") +
                           ", then run this again.");
}

void Allowance::Count(std::size_t kind, const Bound& bound) const {
  refusals_->by_kind[kind][bound.tally->name ? 1 : 0]->Add(1);
}

Status Allowance::Check(Limited what) const {
  for (const Bound& bound : bounds_) {
    const std::int64_t may_have = bound.may_have[IndexOf(what)];
    if (may_have < 0 || bound.tally->has[IndexOf(what)] < may_have) continue;
    Count(IndexOf(what), bound);
    return TooMany(bound, what);
  }
  return {};
}

Status Allowance::Take(std::shared_ptr<const Allowance> of, Limited what, Hold& into) {
  for (std::size_t i = 0; i < of->bounds_.size(); ++i) {
    const Bound& bound = of->bounds_[i];
    const std::int64_t may_have = bound.may_have[IndexOf(what)];
    std::atomic<std::int64_t>& has = bound.tally->has[IndexOf(what)];
    std::int64_t seen = has;
    while (may_have < 0 || seen < may_have) {
      if (has.compare_exchange_weak(seen, seen + 1)) break;
    }
    if (may_have < 0 || seen < may_have) continue;
    of->Give(what, i);
    of->Count(IndexOf(what), bound);
    return TooMany(bound, what);
  }
  into = Hold(std::move(of), what);
  return {};
}

Hold Allowance::Add(std::shared_ptr<const Allowance> of, Limited what) {
  for (const Bound& bound : of->bounds_) ++bound.tally->has[IndexOf(what)];
  return {std::move(of), what};
}

void Allowance::Give(Limited what, std::size_t bounds) const {
  for (std::size_t i = 0; i < bounds; ++i) --bounds_[i].tally->has[IndexOf(what)];
}

// The generic cell rate algorithm: a token bucket that is one number.
bool Allowance::TakeCall(const Bound& bound, std::int64_t now_ns, std::int64_t& wait_ns) {
  const std::int64_t each = kSecond / bound.calls_per_second;
  std::int64_t full_at = bound.tally->full_at_ns;
  while (true) {
    const std::int64_t then = std::max(full_at, now_ns) + each;
    wait_ns = then - now_ns - bound.burst * each;
    if (wait_ns > 0) return false;
    if (bound.tally->full_at_ns.compare_exchange_weak(full_at, then)) return true;
  }
}

Status Allowance::CountCall(SteadyTime now) const {
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    const Bound& bound = bounds_[i];
    if (bound.calls_per_second < 0) continue;
    std::int64_t wait_ns = kSecond;
    if (bound.calls_per_second > 0 && TakeCall(bound, NsOf(now), wait_ns)) continue;
    for (std::size_t taken = 0; taken < i; ++taken) {
      if (bounds_[taken].calls_per_second > 0) {
        bounds_[taken].tally->full_at_ns -= kSecond / bounds_[taken].calls_per_second;
      }
    }
    Count(kCalls, bound);
    const std::string limit = Counted(bound.calls_per_second, "call") + " a second";
    const auto wait = std::chrono::ceil<Duration>(std::chrono::nanoseconds(wait_ns));
    return ResourceExhausted(bound.tally->name
                                 ? "The limit of " + *bound.tally->name + " is reached: " + limit +
                                       ", of all together. Wait a moment, then run this again."
                                 : "You make more calls than you may: " + limit + ". Wait a moment between them.",
                             RetryIn(std::max(wait, kShortestRetry)));
  }
  return {};
}

}  // namespace sgw::core
