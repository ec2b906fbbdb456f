// What happens to WarmServers: questions, and what the launcher tells.
#pragma once

#include <sgw/json.h>

#include <algorithm>
#include <random>
#include <utility>

namespace sgw::detail {

// For ids that no other process and no other generation makes, of letters that a pod's name may have.
inline std::string MakeIdPrefix(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string prefix;
  for (const char c : name.substr(0, 32)) {
    const char lower = Lower(c);
    const bool is_plain = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
    prefix.push_back(is_plain ? lower : '-');
  }
  prefix.push_back('-');
  std::random_device random;
  for (int i = 0; i < 8; ++i) prefix.push_back(kDigits[random() % 16]);
  return prefix + "-";
}

inline std::string GroupKey(const Route& route) {
  std::string key;
  const auto add = [&key](std::string_view text) { key += std::to_string(text.size()) + ":" + std::string(text); };
  add(route.namespace_);
  add(route.service_class);
  StringMap attributes = route.attributes;
  std::sort(attributes.begin(), attributes.end());
  for (const auto& [name, value] : attributes) {
    add(name);
    add(value);
  }
  return key;
}

inline WarmServers::WarmServers(WarmPoolRules rules, Host& host)
    : rules_(std::move(rules)),
      host_(host),
      id_prefix_(MakeIdPrefix(host.name())),
      failures_(host.MakeCounter("spark_gateway_pool_failures_total", "Starts of servers that failed.")),
      warm_seconds_(host.MakeHistogram("spark_gateway_pool_acquisition_seconds", "From question to server.",
                                       {0.001, 0.01, 0.1, 1, 5, 10, 30, 60, 120, 300}, {{"how", "warm"}})),
      created_seconds_(host.MakeHistogram("spark_gateway_pool_acquisition_seconds", "From question to server.",
                                          {0.001, 0.01, 0.1, 1, 5, 10, 30, 60, 120, 300}, {{"how", "created"}})),
      loop_(host) {
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    numbers_[i] = host.MakeGauge("spark_gateway_pool_servers", "Servers of the pool by state.",
                                 {{"state", std::string(kStateNames[i])}});
  }
  for (const std::string& name : rules_.namespaces) GroupOf({.namespace_ = name}).is_listed = true;
}

inline void WarmServers::Use(Launcher& launcher) {
  launcher_ = &launcher;
  launcher.OnGone([weak = weak_from_this()](std::string_view id, std::string_view reason) {
    if (const auto self = weak.lock()) self->OnGone(id, reason);
  });
}

inline void WarmServers::Start(Completion<Status> done) {
  launcher_->List(Completion<Result<std::vector<Server>>>(
      [weak = weak_from_this(), done](const Result<std::vector<Server>>& listed) {
        if (const auto self = weak.lock()) self->OnListed(listed, done);
      }));
}

inline void WarmServers::OnListed(const Result<std::vector<Server>>& listed, const Completion<Status>& done) {
  if (!listed) return done(listed.status());
  {
    const std::lock_guard lock(mutex_);
    for (const Server& server : *listed) {
      auto slot = std::make_unique<Slot>();
      slot->server = server;
      SetState(*slot, State::kAdopted);
      slots_.push_back(std::move(slot));
    }
    is_started_ = true;
  }
  Wake();
  done(Status());
}

inline void WarmServers::Quiesce(const Completion<Status>& done) {
  {
    const std::lock_guard lock(mutex_);
    is_quiesced_ = true;
  }
  Wake();
  done(Status());
}

inline void WarmServers::Stop(Completion<Status> done) {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    stop_deadline_ = host_.Now() + rules_.stop_timeout;
    stopped_ = std::move(done);
  }
  Wake();
}

inline void WarmServers::Close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  loop_.End();
}

inline PoolAnswer WarmServers::Acquire(const PoolCall& call) {
  std::optional<PoolAnswer> answer;
  std::string phase;
  std::uint64_t waiter = 0;
  Completion<PoolAnswer> promised;
  const std::string key(call.key());
  const MonotonicTime asked = host_.Now();
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return Unavailable("the pool of servers is being stopped", RetryIn(1s));
    const auto leased = std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) {
      return slot->state == State::kLeased && slot->key == key;
    });
    if (leased != slots_.end()) return Lease{.id = (*leased)->lease_id, .endpoint = (*leased)->server.endpoint};

    const MonotonicTime now = host_.Now();
    Group& group = GroupOf(call.route());
    group.asked = now;
    auto claim =
        std::find_if(group.claims.begin(), group.claims.end(), [&](const Claim& each) { return each.key == key; });
    Slot* const warm = group.claims.empty() ? OldestWarm(group) : nullptr;
    if (warm) {
      answer = HandOut(*warm, key);
      warm_seconds_.Observe(std::chrono::duration<double>(host_.Now() - asked).count());
    } else if (!call.create()) {
      answer = Next{};
    } else if (claim == group.claims.end() && Count(State::kLeased) + CountClaims() >= rules_.max_size) {
      answer = ResourceExhausted("All " + std::to_string(rules_.max_size) +
                                     " servers of the pool are in use. Try again when one has been released.",
                                 RetryIn(10s));
    } else {
      if (claim == group.claims.end()) {
        group.claims.push_back({.key = key, .since = now, .waiters = {}});
        claim = std::prev(group.claims.end());
      }
      promised = call.Defer<PoolAnswer>().done;
      waiter = ++last_waiter_;
      claim->waiters.push_back({.number = waiter, .done = promised, .phase = call.phase});
      const std::vector<Slot*> starting = Starting(group);
      const auto place = static_cast<std::size_t>(claim - group.claims.begin());
      if (place < starting.size())
        phase = starting[place]->phase;
      else if (now < group.retry)
        phase = "waiting after a start that failed: " + group.last_error;
    }
  }
  Wake();
  if (answer) return *std::move(answer);
  if (!phase.empty()) call.phase(phase);
  promised.OnCancel([weak = weak_from_this(), key, waiter] {
    if (const auto self = weak.lock()) self->OnCancelled(key, waiter);
  });
  return Pending{};
}

inline void WarmServers::OnCancelled(const std::string& key, std::uint64_t waiter) {
  std::vector<Waiter> gone;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, group] : groups_) {
      for (auto claim = group.claims.begin(); claim != group.claims.end(); ++claim) {
        if (claim->key != key) continue;
        auto& waiters = claim->waiters;
        const auto found =
            std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& each) { return each.number == waiter; });
        if (found == waiters.end()) continue;
        gone.push_back(std::move(*found));
        waiters.erase(found);
        if (waiters.empty()) group.claims.erase(claim);
        break;
      }
    }
  }
  for (const Waiter& each : gone) each.done(Cancelled("the question was given up"));
  Wake();
}

inline void WarmServers::Release(std::string_view lease_id, LeaseOutcome outcome) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) {
      return slot->state == State::kLeased && slot->lease_id == lease_id;
    });
    if (found == slots_.end()) return;
    Slot& slot = **found;
    slot.key.reset();
    slot.lease_id.clear();
    SetState(slot, outcome == LeaseOutcome::kUnclaimed && slot.group ? State::kWarm : State::kStopping);
  }
  Wake();
}

inline Result<Lease> WarmServers::Redeem(std::string_view lease_id) {
  const std::lock_guard lock(mutex_);
  const std::string_view server_id = lease_id.substr(0, lease_id.rfind('.'));
  for (const auto& slot : slots_) {
    const bool is_it = slot->state == State::kLeased ? slot->lease_id == lease_id
                                                     : slot->state == State::kAdopted && slot->server.id == server_id;
    if (!is_it) continue;
    if (slot->state == State::kAdopted) {
      SetState(*slot, State::kLeased);
      slot->lease_id = lease_id;
    }
    return Lease{.id = slot->lease_id, .endpoint = slot->server.endpoint};
  }
  return NotFound("the server of this lease is gone");
}

inline void WarmServers::OnStarted(const std::string& id, Result<Server> started) {
  {
    const std::lock_guard lock(mutex_);
    Slot* slot = FindSlot(id);
    if (!slot && started) {  // Its start was given up, and it is there all the same.
      slot = slots_.emplace_back(std::make_unique<Slot>()).get();
      slot->server = *std::move(started);
      SetState(*slot, State::kStopping);
    } else if (slot && slot->state == State::kStarting) {
      if (started) {
        slot->server = *std::move(started);
        slot->server.id = id;
        SetState(*slot, State::kWarm);
        slot->failures_before = std::exchange(slot->group->failures, 0);
        slot->group->last_error.clear();
      } else {
        StartFailed(*slot, started.status(), slot->group->failures);
      }
    }
  }
  Wake();
}

inline void WarmServers::OnStopped(const std::string& id, const Status& stopped) {
  std::string complaint;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) { return slot->server.id == id; });
    if (found == slots_.end()) return;
    Slot& slot = **found;
    if (stopped.ok() || stopped.code() == StatusCode::kNotFound) {
      slots_.erase(found);
    } else {
      if (slot.stop_failures++ == 0) complaint = "server " + id + " cannot be stopped yet: " + stopped.message();
      slot.is_stop_asked = false;
      slot.next_stop = host_.Now() + Pause(slot.stop_failures);
    }
  }
  if (!complaint.empty()) host_.Warn(complaint);
  Wake();
}

inline void WarmServers::OnPhase(const std::string& id, std::string_view phase) {
  std::vector<PhaseReport> waiting;
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = FindSlot(id);
    if (!slot || slot->state != State::kStarting) return;
    slot->phase = phase;
    // The oldest start is for the oldest claim.
    const std::vector<Slot*> starting = Starting(*slot->group);
    const auto place = static_cast<std::size_t>(std::find(starting.begin(), starting.end(), slot) - starting.begin());
    if (place >= slot->group->claims.size()) return;
    for (const Waiter& waiter : slot->group->claims[place].waiters) waiting.push_back(waiter.phase);
  }
  for (const PhaseReport& report : waiting) report(phase);
}

inline void WarmServers::OnGone(std::string_view id, std::string_view reason) {
  std::string lost;
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = FindSlot(id);
    if (!slot) return;
    if (slot->state == State::kLeased) {
      lost = std::exchange(slot->lease_id, {});
      slot->key.reset();
      SetState(*slot, State::kStopping);
    } else if (slot->state == State::kWarm) {
      // One that lasted says that starts are good; one that did not is a failed start that took longer.
      const bool has_lasted = host_.Now() - slot->since >= rules_.retry_max;
      StartFailed(*slot, Unavailable("a warm server is gone: " + std::string(reason)),
                  has_lasted ? 0 : slot->failures_before);
    } else if (slot->state == State::kAdopted) {
      SetState(*slot, State::kStopping);
    }
  }
  if (!lost.empty()) host_.LeaseLost(lost, reason);
  Wake();
}

inline std::string WarmServers::Describe() const {
  const std::lock_guard lock(mutex_);
  const MonotonicTime now = host_.Now();
  JsonWriter json;
  const auto describe = [&](const Group* group, std::string_view name, std::int64_t target) {
    const auto count = [&](State state) {
      return std::count_if(slots_.begin(), slots_.end(),
                           [&](const auto& slot) { return slot->state == state && slot->group == group; });
    };
    json.BeginObject().Member("namespace", name);
    if (group) json.Member("class", group->route.service_class).Key("attributes").BeginArray();
    if (group) {
      for (const auto& [key, value] : group->route.attributes) json.Value(key + "=" + value);
      json.EndArray();
    }
    json.Member("warm", count(State::kWarm)).Member("leased", count(State::kLeased));
    json.Member("starting", count(State::kStarting)).Member("target", target);
    json.Member("waiting", group ? group->claims.size() : 0).Member("failures", group ? group->failures : 0);
    json.Member("last_error", group ? group->last_error : std::string()).Key("servers").BeginArray();
    for (const auto& slot : slots_) {
      if (slot->group != group) continue;
      json.BeginObject().Member("id", slot->server.id).Member("address", slot->server.endpoint.address);
      json.Member("state", kStateNames[static_cast<std::size_t>(slot->state)]);
      json.Member("age_ms", std::chrono::duration_cast<Duration>(now - slot->since).count());
      if (!slot->phase.empty() && slot->state == State::kStarting) json.Member("phase", slot->phase);
      for (const auto& [key, value] : slot->server.facts) {
        const bool is_number = !value.empty() && value.size() < 16 && value[0] != '0' &&
                               value.find_first_not_of("0123456789") == std::string::npos;
        is_number ? json.Key(key).Raw(value) : json.Member(key, value);
      }
      json.EndObject();
    }
    json.EndArray().EndObject();
  };
  json.BeginObject().Key("pools").BeginArray();
  for (const auto& [key, group] : groups_) describe(&group, group.route.namespace_, Target(group, now));
  const bool has_strays =
      std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->group == nullptr; });
  if (has_strays) describe(nullptr, "", 0);
  return std::move(json.EndArray().EndObject()).Text();
}

}  // namespace sgw::detail
