#include <spdlog/spdlog.h>

#include "core/session/table.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kFailureRemembered = 5s;
constexpr auto kExpectedLife = 10min;
constexpr std::size_t kMaxExpected = 100'000;

std::int64_t Seconds(SteadyTime::duration d) { return std::chrono::duration_cast<std::chrono::seconds>(d).count(); }

}  // namespace

std::uint64_t SessionTable::Claim(const ClaimRequest& request, const CallContext& context,
                                  std::function<void(Result<std::shared_ptr<ServerGroup>>)> done) {
  std::optional<Result<std::shared_ptr<ServerGroup>>> at_once;
  std::uint64_t number = 0;
  bool is_new = false;
  {
    const std::lock_guard lock(groups_mutex_);
    const auto group = groups_.find(request.key);
    const auto running = acquisitions_.find(request.key);
    const auto failure = failures_.find(request.key);
    const bool is_expected = expected_.count(request.session_key) != 0;
    if (group != groups_.end()) {
      if (!request.only_if_expected || is_expected || !group->second->was_claimed)
        at_once = group->second;
      else
        at_once = NotFound("not expected");
    } else if (failure != failures_.end() && failure->second.until > Now()) {
      at_once = failure->second.refusal;
    } else if (running == acquisitions_.end() && request.only_if_expected) {
      at_once = NotFound("nothing is on its way");
    } else if (waiting_ >= static_cast<std::size_t>(config_.limits.waiting_callers)) {
      at_once =
          ResourceExhausted("Too many callers wait for servers (" + std::to_string(waiting_) + ").", RetryIn(10s));
    } else {
      is_new = running == acquisitions_.end();
      Acquisition& acquisition = acquisitions_[request.key];
      if (is_new) acquisition.since = Now();
      number = next_waiter_++;
      ++waiting_;
      acquisition.waiters.push_back({number, Worker::Current(), std::move(done)});
    }
    if (expected_.size() < kMaxExpected && !request.only_if_expected)
      expected_[request.session_key] = Now() + kExpectedLife;
  }
  if (at_once) {
    done(std::move(*at_once));
    return 0;
  }
  if (!is_new) return number;
  Pipeline::EndpointRequest ask;
  ask.facts = std::make_shared<const CallFacts>(*context.facts);
  ask.identity = context.identity ? std::make_shared<const Identity>(*context.identity) : nullptr;
  ask.route = context.route;
  ask.key = request.key;
  ask.choose = [this](const std::vector<Endpoint>& endpoints) { return ChooseDiscovered(endpoints); };
  ask.on_phase = [this, key = request.key](const std::string& phase) {
    const std::lock_guard lock(groups_mutex_);
    if (const auto found = acquisitions_.find(key); found != acquisitions_.end()) found->second.phase = phase;
  };
  auto run = pipeline_->FindEndpoint(
      std::move(ask), [this, key = request.key](Result<Found> found) { Acquired(key, std::move(found)); });
  const std::lock_guard lock(groups_mutex_);
  if (const auto found = acquisitions_.find(request.key); found != acquisitions_.end())
    found->second.run = std::move(run);
  return number;
}

void SessionTable::Acquired(const std::string& key, Result<Found> found) {
  std::vector<Acquisition::Waiter> waiters;
  std::unique_ptr<Run> run;
  std::shared_ptr<ServerGroup> group;
  {
    const std::lock_guard lock(groups_mutex_);
    if (const auto at = acquisitions_.find(key); at != acquisitions_.end()) {
      waiters = std::move(at->second.waiters);
      run = std::move(at->second.run);
      acquisitions_.erase(at);
    }
    waiting_ -= waiters.size();
    if (found) {
      group = std::make_shared<ServerGroup>();
      group->key = key;
      group->endpoint = std::move(found->endpoint);
      group->lease_id = std::move(found->lease_id);
      group->source = found->source;
      group->source_name = found->source->name();
      group->since = Now();
      groups_[key] = group;
      ++bound_to_[group->endpoint.address];
    } else if (found.status().code() != StatusCode::kUnavailable) {
      failures_[key] = {found.status(), Now() + kFailureRemembered};
    }
  }
  if (group) endpoints_.Bind(group->endpoint.address, group->endpoint.incarnation);
  for (auto& waiter : waiters) {
    waiter.worker->Post([done = std::move(waiter.done), group, status = found.status()] {
      if (group)
        done(group);
      else
        done(status);
    });
  }
}

void SessionTable::StopWaiting(const std::string& key, std::uint64_t number) {
  std::function<void(Result<std::shared_ptr<ServerGroup>>)> dropped;
  const std::lock_guard lock(groups_mutex_);
  const auto at = acquisitions_.find(key);
  if (at == acquisitions_.end()) return;
  auto& waiters = at->second.waiters;
  for (auto waiter = waiters.begin(); waiter != waiters.end(); ++waiter) {
    if (waiter->id != number) continue;
    dropped = std::move(waiter->done);
    waiters.erase(waiter);
    --waiting_;
    return;
  }
}

Status SessionTable::StillStarting(const std::string& key, const Route& route) {
  std::string detail;
  {
    const std::lock_guard lock(groups_mutex_);
    if (const auto at = acquisitions_.find(key); at != acquisitions_.end()) {
      detail = (at->second.phase.empty() ? "" : at->second.phase + ", ") +
               std::to_string(Seconds(Now() - at->second.since)) + " s";
    }
  }
  return Unavailable("Your server" + (route.namespace_.empty() ? "" : " in " + route.namespace_) +
                         " is still starting" + (detail.empty() ? "" : " (" + detail + ")") +
                         ". Run this again in a minute.",
                     RetryIn(5s));
}

std::optional<Endpoint> SessionTable::ChooseDiscovered(const std::vector<Endpoint>& endpoints) {
  std::vector<std::string> replaced;
  const Endpoint* best = nullptr;
  double best_load = 0;
  {
    const std::lock_guard lock(groups_mutex_);
    for (const Endpoint& endpoint : endpoints) {
      bool is_leased = false;
      for (const auto& [key, group] : groups_) {
        if (group->endpoint.address != endpoint.address) continue;
        is_leased |= !group->lease_id.empty();
        if (!endpoint.incarnation.empty() && !group->endpoint.incarnation.empty() &&
            group->endpoint.incarnation != endpoint.incarnation) {
          replaced.push_back(key);
        }
      }
      if (is_leased || endpoints_.Of(endpoint.address, endpoint.incarnation)->is_set_aside(Now())) continue;
      const auto bound = bound_to_.find(endpoint.address);
      const double load =
          (bound == bound_to_.end() ? 0 : bound->second) / static_cast<double>(std::max(endpoint.weight, 1u));
      if (best && load >= best_load) continue;
      best = &endpoint;
      best_load = load;
    }
  }
  for (const std::string& key : replaced) {
    Lose([&](const ServerGroup& group) { return group.key == key; }, "another server took its address");
  }
  return best ? std::optional(*best) : std::nullopt;
}

bool SessionTable::AddSession(const std::shared_ptr<ServerGroup>& group) {
  const std::lock_guard lock(groups_mutex_);
  if (group->is_lost) return false;
  const auto at = groups_.find(group->key);
  if (at == groups_.end() || at->second != group) return false;
  ++group->sessions;
  group->was_claimed = true;
  return true;
}

void SessionTable::DropSession(const std::shared_ptr<ServerGroup>& group, LeaseOutcome outcome) {
  {
    const std::lock_guard lock(groups_mutex_);
    if (--group->sessions > 0) return;
    const auto at = groups_.find(group->key);
    // A lost group has left the table, and its lease was given back, when it was lost.
    if (at == groups_.end() || at->second != group) return;
    groups_.erase(at);
    if (--bound_to_[group->endpoint.address] <= 0) bound_to_.erase(group->endpoint.address);
  }
  GiveBack(*group, outcome);
}

void SessionTable::GiveBack(const ServerGroup& group, LeaseOutcome outcome) {
  endpoints_.Unbind(group.endpoint.address, group.endpoint.incarnation);
  if (!group.lease_id.empty() && group.source && group.source->tag().kind == StepKind::kHotPool) {
    group.source->Release(group.lease_id, outcome);
  }
}

void SessionTable::Lose(const std::function<bool(const ServerGroup&)>& which, const std::string& why) {
  std::vector<std::shared_ptr<ServerGroup>> lost;
  {
    const std::lock_guard lock(groups_mutex_);
    for (auto at = groups_.begin(); at != groups_.end();) {
      if (!which(*at->second)) {
        ++at;
        continue;
      }
      at->second->lost_because = why;
      at->second->is_lost = true;
      if (--bound_to_[at->second->endpoint.address] <= 0) bound_to_.erase(at->second->endpoint.address);
      lost.push_back(at->second);
      at = groups_.erase(at);
    }
  }
  for (const auto& group : lost) {
    spdlog::warn("the server {} of '{}' is lost: {}", group->endpoint.address, group->source_name, why);
    GiveBack(*group, LeaseOutcome::kLost);
  }
}

void SessionTable::OnReachable(const std::string&, const std::string&) {}

void SessionTable::OnUnreachable(const std::string& address, const std::string& incarnation, SteadyTime since,
                                 const Status& why) {
  if (Now() - since < config_.sessions.lost_after) return;
  Lose(
      [&](const ServerGroup& group) {
        return group.endpoint.address == address && group.endpoint.incarnation == incarnation;
      },
      why.message());
}

}  // namespace sgw::core
