#include "core/session/acquisition.h"

#include <future>

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kFailureIsFresh = 5s;
constexpr std::size_t kMaxExpected = 100'000;
constexpr std::size_t kMaxFailures = 100'000;
constexpr std::size_t kMaxPhase = 200;

std::int64_t Seconds(SteadyTime::duration time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

}  // namespace

std::uint64_t Servers::Claim(const Wanted& wanted, const CallContext& context, Done done) {
  std::optional<Result<ServerPtr>> at_once;
  std::shared_ptr<Acquisition> fresh;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    const SteadyTime now = Now();
    const auto server = servers_.find(wanted.key);
    const auto running = acquisitions_.find(wanted.key);
    const auto failure = failures_.find(wanted.key);
    const auto expected = expected_.find(wanted.session_key);
    const bool is_expected = expected != expected_.end() && expected->second > now;
    if (is_stopped_) {
      at_once = Unavailable("The gateway is being stopped.", RetryIn(5s));
    } else if (server != servers_.end()) {
      const bool is_theirs = !wanted.is_reattach || is_expected || !server->second->was_claimed_;
      if (!is_theirs) {
        at_once = NotFound("nothing was promised");
      } else if (server->second->is_confirmed()) {
        at_once = server->second;
      } else {
        Expect(wanted.session_key);
        at_once = IsAskedFor();
      }
    } else if (failure != failures_.end() &&
               (failure->second.fresh_until > now || (is_expected && failure->second.until > now))) {
      if (is_expected) expected_.erase(expected);
      at_once = failure->second.status;
    } else if (running == acquisitions_.end() && wanted.is_reattach && !is_expected) {
      at_once = NotFound("nothing is on its way");
    } else if (waiting_ >= max_waiting_) {
      Expect(wanted.session_key);
      at_once =
          ResourceExhausted("Too many callers wait for servers (" + std::to_string(waiting_) + ").", RetryIn(10s));
    } else {
      auto& acquisition = acquisitions_[wanted.key];
      if (!acquisition) acquisition = fresh = std::make_shared<Acquisition>(wanted.key, Worker::Current(), now);
      number = next_waiter_++;
      ++waiting_;
      acquisition->waiters.push_back({number, wanted.session_key, Worker::Current(), std::move(done)});
    }
  }
  if (at_once) {
    done(*std::move(at_once));  // NOLINT(bugprone-use-after-move): one with an answer was not made a waiter
    return 0;
  }
  if (!fresh) return number;
  Pipeline::EndpointRequest request;
  request.facts = std::make_shared<const CallFacts>(*context.facts);
  request.identity = context.identity;
  request.route = context.route;
  request.key = wanted.key;
  request.choose = [this](const std::vector<Endpoint>& endpoints) {
    LoseReplaced(endpoints);
    return Choose(endpoints);
  };
  const std::weak_ptr weak = fresh;
  request.on_phase = [this, weak](const std::string& phase) {
    const auto self = weak.lock();
    if (!self) return;
    const std::lock_guard lock(mutex_);
    self->phase = phase.substr(0, kMaxPhase);
  };
  std::unique_ptr<Run> run = pipeline_->FindEndpoint(std::move(request), [this, weak](Result<Found> found) {
    if (const auto self = weak.lock()) Acquired(self, std::move(found));
  });
  const std::lock_guard lock(mutex_);
  if (!fresh->is_over) fresh->run = std::move(run);
  return number;
}

void Servers::Acquired(const std::shared_ptr<Acquisition>& acquisition, Result<Found> found) {
  if (acquisition->is_over) return;
  Result<ServerPtr> result = found ? Take(acquisition->key, *found) : Result<ServerPtr>(found.status());
  std::vector<Acquisition::Waiter> waiters;
  std::unique_ptr<Run> run;
  {
    const std::lock_guard lock(mutex_);
    acquisition->is_over = true;
    waiters = std::move(acquisition->waiters);
    run = std::move(acquisition->run);
    waiting_ -= waiters.size();
    if (const auto at = acquisitions_.find(acquisition->key); at != acquisitions_.end() && at->second == acquisition) {
      acquisitions_.erase(at);
    }
    failures_.erase(acquisition->key);
    if (!result && result.status().message().starts_with(kNotMadeInTime)) {
      // Why is what its pool said while it tried.
      std::string why = acquisition->phase.empty() ? "" : " The last that was heard: " + acquisition->phase;
      if (!why.empty() && !why.ends_with('.')) why += '.';
      result = FailedPrecondition(result.status().message() + why +
                                  " Run this again; if it stays so, tell whoever runs the gateway.");
    }
    if (!result && result.status().code() == StatusCode::kUnavailable) {
      // What passes by itself is worth another try at once.
      for (const Acquisition::Waiter& waiter : waiters) Expect(waiter.session_key);
    } else if (!result && failures_.size() < kMaxFailures) {
      failures_[acquisition->key] = {result.status(), Now() + kFailureIsFresh, Now() + config_.unclaimed_after};
    }
  }
  for (Acquisition::Waiter& waiter : waiters) {
    waiter.worker->Post([done = std::move(waiter.done), result] { done(result); });
  }
}

void Servers::StopWaiting(const std::string& key, std::uint64_t number) {
  Done dropped;
  const std::lock_guard lock(mutex_);
  const auto at = acquisitions_.find(key);
  if (at == acquisitions_.end()) return;
  auto& waiters = at->second->waiters;
  for (auto waiter = waiters.begin(); waiter != waiters.end(); ++waiter) {
    if (waiter->number != number) continue;
    dropped = std::move(waiter->done);
    waiters.erase(waiter);
    --waiting_;
    return;
  }
}

void Servers::Expect(const std::string& session_key) {
  if (expected_.size() < kMaxExpected) expected_[session_key] = Now() + config_.unclaimed_after;
}

Status Servers::StillStarting(const Wanted& wanted, const Route& route) {
  std::string detail;
  {
    const std::lock_guard lock(mutex_);
    Expect(wanted.session_key);
    if (const auto at = acquisitions_.find(wanted.key); at != acquisitions_.end()) {
      const Acquisition& acquisition = *at->second;
      std::string phase = acquisition.phase;
      if (phase.ends_with('.')) phase.pop_back();
      detail = " (" + (phase.empty() ? "" : phase + ", ") + std::to_string(Seconds(Now() - acquisition.since)) + " s)";
    }
  }
  return Unavailable("Your server" + (route.namespace_.empty() ? "" : " in " + route.namespace_) +
                         " is still starting" + detail + ". Run this again in a minute.",
                     RetryIn(5s));
}

void Servers::Stop(bool are_bound_kept) {
  std::vector<std::shared_ptr<Acquisition>> running;
  std::vector<Removed> unclaimed;
  std::vector<Removed> bound;
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    for (const auto& [key, acquisition] : acquisitions_) running.push_back(acquisition);
    std::vector<ServerPtr> all;
    for (const auto& [key, server] : servers_) all.push_back(server);
    for (const ServerPtr& server : all) {
      if (server->was_claimed_ && are_bound_kept) continue;
      (server->was_claimed_ ? bound : unclaimed).push_back(Remove(server));
    }
  }
  GiveBack(std::move(unclaimed), LeaseOutcome::kUnclaimed);
  GiveBack(std::move(bound), LeaseOutcome::kEnded);
  services_.OnControl([this] {
    std::unordered_set<std::shared_ptr<Confirmation>> dropped;
    const std::lock_guard lock(mutex_);
    dropped.swap(confirmations_);
  });
  for (const auto& acquisition : running) {
    std::promise<void> done;
    acquisition->worker->Post([&] {
      // Ends the run on its own worker, and answers its waiters.
      Acquired(acquisition, Unavailable("The gateway is being stopped.", RetryIn(5s)));
      done.set_value();
    });
    done.get_future().get();
  }
}

}  // namespace sgw::core
