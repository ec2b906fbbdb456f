#include "core/upstream/endpoint_table.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime::duration kFirstPause = 250ms;
constexpr SteadyTime::duration kLongestPause = 5s;
constexpr SteadyTime::duration kLongestGap = 2 * kLongestPause;  // in a run of attempts

SteadyTime::duration PauseAfter(int failures) {
  return std::min(kLongestPause, kFirstPause * (1 << std::min(failures - 1, 10)));
}

}  // namespace

std::string EndpointKey(std::string_view address, std::string_view incarnation) {
  std::string key;
  AssignEndpointKey(key, address, incarnation);
  return key;
}

void AssignEndpointKey(std::string& key, std::string_view address, std::string_view incarnation) {
  key.reserve(address.size() + 1 + incarnation.size());
  key.assign(address).append(1, '\n').append(incarnation);
}

Status EndpointState::SetAside(SteadyTime now) const {
  if (!is_set_aside(now)) return {};
  const std::lock_guard lock(mutex_);
  return Unavailable(last_error_);
}

SteadyTime::duration EndpointState::pause_left(SteadyTime now) const {
  return std::max(until_.load() - now.time_since_epoch(), SteadyTime::duration::zero());
}

SteadyTime EndpointState::last_failure() const {
  const std::lock_guard lock(mutex_);
  return last_failure_;
}

std::shared_ptr<EndpointState> EndpointTable::Of(const std::string& address, const std::string& incarnation) {
  const std::lock_guard lock(mutex_);
  if (states_.size() >= sweep_at_) Sweep();
  std::weak_ptr<EndpointState>& known = states_[EndpointKey(address, incarnation)];
  auto state = known.lock();
  if (!state) {
    state = std::make_shared<EndpointState>(address, incarnation);
    known = state;
  }
  return state;
}

void EndpointTable::Sweep() {
  std::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
  sweep_at_ = std::max<std::size_t>(64, 2 * states_.size());
}

void EndpointTable::List(const std::vector<Endpoint>& endpoints) {
  const std::lock_guard lock(mutex_);
  for (const Endpoint& endpoint : endpoints) ++listed_[EndpointKey(endpoint.address, endpoint.incarnation)];
}

void EndpointTable::Unlist(const std::vector<Endpoint>& endpoints) {
  std::vector<const Endpoint*> withdrawn;
  {
    const std::lock_guard lock(mutex_);
    for (const Endpoint& endpoint : endpoints) {
      const auto at = listed_.find(EndpointKey(endpoint.address, endpoint.incarnation));
      if (at == listed_.end() || --at->second > 0) continue;
      listed_.erase(at);
      withdrawn.push_back(&endpoint);
    }
  }
  for (const Endpoint* endpoint : withdrawn) TellWithdrawn(endpoint->address, endpoint->incarnation);
}

void EndpointTable::TellWithdrawn(const std::string& address, const std::string& incarnation) {
  const std::shared_lock lock(telling_);
  if (on_withdrawn_) on_withdrawn_(address, incarnation);
}

void EndpointTable::Bind(const std::string& address, const std::string& incarnation) {
  auto state = Of(address, incarnation);
  const std::lock_guard lock(mutex_);
  if (state->bound++ == 0) bound_[EndpointKey(address, incarnation)] = std::move(state);
}

void EndpointTable::Unbind(const std::string& address, const std::string& incarnation) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = bound_.find(EndpointKey(address, incarnation));
    if (at == bound_.end() || --at->second->bound > 0) return;
    bound_.erase(at);
  }
  TellWithdrawn(address, incarnation);
}

void EndpointTable::Reached(EndpointState& state) {
  bool was_failing = false;
  {
    const std::lock_guard lock(state.mutex_);
    was_failing = state.failures_.exchange(0) > 0;
    state.until_ = SteadyTime::duration::zero();
    state.last_error_.clear();
    state.distrust_.clear();
  }
  if (was_failing) spdlog::info("endpoint {}: reachable again", state.address);
}

void EndpointTable::Failed(EndpointState& state, SteadyTime started, const Status& why, const std::string& distrust) {
  const SteadyTime now = clock_.Now();
  SteadyTime since;
  bool is_news = false;
  {
    const std::lock_guard lock(state.mutex_);
    // Two failures with nothing between them are no run: who knows what was in the meantime.
    if (state.failures_ > 0 && started - state.last_failure_ > kLongestGap) state.failures_ = 0;
    const int failures = ++state.failures_;
    ++state.total_failures_;
    const std::string before = std::exchange(state.distrust_, distrust);
    is_news = failures == 1 || before != distrust;
    if (failures == 1 || state.connections > 0 || !before.empty()) state.since_ = started;
    since = state.since_;
    state.last_failure_ = now;
    state.last_error_ = why.message();
    state.until_ = (now + PauseAfter(failures)).time_since_epoch();
  }
  if (is_news) spdlog::warn("endpoint {}: {}", state.address, distrust.empty() ? why.message() : distrust);
  // One that lets nobody else in, or that is not trusted, is there all the same.
  if (listener_ && state.connections == 0 && distrust.empty())
    listener_->OnUnreachable(state.address, state.incarnation, since, why);
}

void EndpointTable::Refused(const Endpoint& endpoint, const std::string& why) {
  const auto state = Of(endpoint.address, endpoint.incarnation);
  bool is_news = false;
  {
    const std::lock_guard lock(state->mutex_);
    is_news = std::exchange(state->refuses_because_, why) != why;
  }
  {
    const std::lock_guard lock(mutex_);
    refusing_[EndpointKey(endpoint.address, endpoint.incarnation)] = state;
    refusing_count_ = refusing_.size();
  }
  if (is_news) spdlog::warn("endpoint {}: {}", endpoint.address, why);
}

void EndpointTable::Takes(const Endpoint& endpoint) {
  std::shared_ptr<EndpointState> state;
  {
    const std::lock_guard lock(mutex_);
    const auto at = refusing_.find(EndpointKey(endpoint.address, endpoint.incarnation));
    if (at != refusing_.end()) {
      state = std::move(at->second);
      refusing_.erase(at);
    }
    // Those that nobody uses any more are forgotten.
    std::erase_if(refusing_, [](const auto& entry) { return entry.second.use_count() == 1; });
    refusing_count_ = refusing_.size();
  }
  if (!state) return;
  {
    const std::lock_guard lock(state->mutex_);
    state->refuses_because_.clear();
  }
  spdlog::info("endpoint {}: takes the gateway's calls again", endpoint.address);
}

std::vector<EndpointView> EndpointTable::Snapshot() const {
  std::vector<std::shared_ptr<EndpointState>> states;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, weak] : states_) {
      if (auto state = weak.lock()) states.push_back(std::move(state));
    }
  }
  std::vector<EndpointView> views;
  views.reserve(states.size());
  for (const auto& state : states) {
    const std::lock_guard lock(state->mutex_);
    EndpointView view{state->address, state->incarnation,     "idle", state->connections,
                      state->streams, state->total_failures_, {}};
    if (state->failures_ > 0) {
      view.state = "failing";
      view.last_error = state->distrust_.empty() ? state->last_error_ : state->distrust_;
    } else if (!state->refuses_because_.empty()) {
      view.state = "refusing";
      view.last_error = state->refuses_because_;
    } else if (view.connections > 0) {
      view.state = "connected";
    }
    views.push_back(std::move(view));
  }
  std::sort(views.begin(), views.end(), [](const EndpointView& a, const EndpointView& b) {
    return std::tie(a.address, a.incarnation) < std::tie(b.address, b.incarnation);
  });
  return views;
}

}  // namespace sgw::core
