// The turn of WarmServers: from what is to what should be.
#pragma once

#include <algorithm>
#include <exception>
#include <utility>

namespace sgw::detail {

inline void WarmServers::Wake() {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_ || std::exchange(is_awake_, true)) return;
  }
  loop_.Wake(TurnLater());
}

inline std::function<void()> WarmServers::TurnLater() {
  return [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Turn();
  };
}

inline void WarmServers::Turn() {
  std::optional<MonotonicTime> next;
  for (;;) {
    Actions actions;
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) return;
      actions = Reconcile(host_.Now());
      if (actions.empty()) {
        ShowNumbers();
        next = next_;
        is_awake_ = false;
        break;
      }
      is_awake_ = true;  // What the actions change is seen by the next round.
    }
    Run(actions);
  }
  loop_.SleepUntil(next, TurnLater());
}

inline void WarmServers::Run(const Actions& actions) const {
  for (const auto& action : actions) {
    try {
      action();
    } catch (const std::exception& error) {  // Its completion has gone, and with it INTERNAL has been told.
      host_.Error(std::string("the launcher threw: ") + error.what());
    }
  }
}

inline WarmServers::Actions WarmServers::Reconcile(MonotonicTime now) {
  Actions actions = std::exchange(owed_, {});
  next_.reset();
  EndWhatIsOver(now, actions);
  for (auto& [name, group] : groups_) {
    ServeClaims(group, now, actions);
    Retire(group, now);
  }
  // Those who wait come before those who may come.
  for (auto& [name, group] : groups_) Grow(group, 0, now, actions);
  for (auto& [name, group] : groups_) Grow(group, Target(group, now), now, actions);
  AskStops(now, actions);
  DropIdleGroups(now);
  if (stopped_ && (slots_.empty() || now >= stop_deadline_)) {
    actions.emplace_back([done = *std::exchange(stopped_, std::nullopt)] { done(Status()); });
  }
  return actions;
}

inline void WarmServers::EndWhatIsOver(MonotonicTime now, Actions& actions) {
  if (is_stopping_) {
    Consider(stop_deadline_, now);
    for (auto& [name, group] : groups_) {
      FailClaims(group, Unavailable("the pool of servers is being stopped", RetryIn(1s)), 0, actions);
    }
  }
  for (const auto& slot : slots_) {
    if (is_stopping_) {
      if (slot->state != State::kStopping) SetState(*slot, State::kStopping);
    } else if (slot->state == State::kStarting) {
      if (now < slot->since + rules_.start_timeout) {
        Consider(slot->since + rules_.start_timeout, now);
        continue;
      }
      std::string late =
          "The server was not ready after " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(rules_.start_timeout).count()) + " s";
      if (!slot->phase.empty()) late += " (" + slot->phase + ")";
      StartFailed(*slot, Unavailable(late + "."), slot->group->failures);
      std::move(owed_.begin(), owed_.end(), std::back_inserter(actions));
      owed_.clear();
    } else if (slot->state == State::kAdopted) {
      Consider(slot->since + rules_.adopt_timeout, now);
      if (now >= slot->since + rules_.adopt_timeout) SetState(*slot, State::kStopping);
    }
  }
}

// The newest claims stay: the oldest are those that the failed start was for.
inline void WarmServers::FailClaims(Group& group, const Status& why, std::size_t keep, Actions& actions) {
  while (group.claims.size() > keep) {
    actions.emplace_back([claim = std::make_shared<Claim>(std::move(group.claims.front())), why] {
      for (const Waiter& waiter : claim->waiters) waiter.done(why);
    });
    group.claims.pop_front();
  }
}

inline void WarmServers::ServeClaims(Group& group, MonotonicTime now, Actions& actions) {
  while (!group.claims.empty()) {
    Slot* const warm = OldestWarm(group);
    if (!warm) return;
    auto claim = std::make_shared<Claim>(std::move(group.claims.front()));
    group.claims.pop_front();
    actions.emplace_back([this, claim, lease = HandOut(*warm, claim->key), took = now - claim->since] {
      created_seconds_.Observe(std::chrono::duration<double>(took).count());
      for (const Waiter& waiter : claim->waiters) waiter.done(lease);
    });
  }
}

// Ends warm servers that are too many or too old. Of the old ones, one at a time, so that some are left meanwhile.
inline void WarmServers::Retire(Group& group, MonotonicTime now) {
  const std::int64_t target = Target(group, now);
  if (target > 0 && !group.is_listed) Consider(group.asked + rules_.idle_timeout, now);
  for (auto slot = slots_.rbegin(); slot != slots_.rend() && Count(State::kWarm, &group) > target; ++slot) {
    if ((*slot)->group == &group && (*slot)->state == State::kWarm) SetState(**slot, State::kStopping);
  }
  Slot* const oldest = OldestWarm(group);
  if (!oldest || rules_.max_age == 0s) return;
  Consider(oldest->since + rules_.max_age, now);
  Consider(group.retry, now);
  const bool may_replace = Count(State::kStarting, &group) == 0 && now >= group.retry;
  if (may_replace && now >= oldest->since + rules_.max_age) SetState(*oldest, State::kStopping);
}

inline void WarmServers::Grow(Group& group, std::int64_t target, MonotonicTime now, Actions& actions) {
  if (!is_started_ || is_stopping_) return;
  const auto claims = static_cast<std::int64_t>(group.claims.size());
  std::int64_t missing =
      claims + std::max<std::int64_t>(0, target - Count(State::kWarm, &group)) - Count(State::kStarting, &group);
  if (missing <= 0) return;
  if (now < group.retry) return Consider(group.retry, now);
  for (; missing > 0 && Count(State::kStarting) < rules_.max_starts; --missing) {
    if (static_cast<std::int64_t>(slots_.size()) >= rules_.max_size) {
      if (claims > Count(State::kStarting, &group)) MakeRoom(group);
      return;
    }
    auto slot = std::make_unique<Slot>();
    slot->group = &group;
    slot->server.id = id_prefix_ + std::to_string(++last_id_);
    SetState(*slot, State::kStarting);
    Consider(slot->since + rules_.start_timeout, now);
    actions.emplace_back([this, id = slot->server.id, route = group.route] {
      const PhaseReport phase([weak = weak_from_this(), id](std::string_view text) {
        if (const auto self = weak.lock()) self->OnPhase(id, text);
      });
      launcher_->Start(route, id, phase,
                       Completion<Result<Server>>([weak = weak_from_this(), id](Result<Server> started) {
                         if (const auto self = weak.lock()) self->OnStarted(id, std::move(started));
                       }));
    });
    slots_.push_back(std::move(slot));
  }
}

// A warm server that nobody waits for goes for one that somebody does, unless one is going already.
inline void WarmServers::MakeRoom(const Group& group) {
  if (Count(State::kStopping) > 0) return;
  for (const auto& slot : slots_) {
    if (slot->state == State::kWarm && slot->group != &group) return SetState(*slot, State::kStopping);
  }
}

inline void WarmServers::AskStops(MonotonicTime now, Actions& actions) {
  for (const auto& slot : slots_) {
    if (slot->state != State::kStopping || slot->is_stop_asked) continue;
    if (now < slot->next_stop) {
      Consider(slot->next_stop, now);
      continue;
    }
    slot->is_stop_asked = true;
    actions.emplace_back([this, server = slot->server] {
      launcher_->Stop(server, Completion<Status>([weak = weak_from_this(), id = server.id](const Status& stopped) {
                        if (const auto self = weak.lock()) self->OnStopped(id, stopped);
                      }));
    });
  }
}

inline void WarmServers::DropIdleGroups(MonotonicTime now) {
  std::erase_if(groups_, [&](const auto& each) {
    const Group& group = each.second;
    const bool is_used = std::any_of(slots_.begin(), slots_.end(), [&](const auto& s) { return s->group == &group; });
    return !group.is_listed && !is_used && group.claims.empty() && Target(group, now) == 0 && now >= group.retry;
  });
}

inline void WarmServers::Consider(MonotonicTime when, MonotonicTime now) {
  if (when > now && (!next_ || when < *next_)) next_ = when;
}

inline WarmServers::Group& WarmServers::GroupOf(const Route& route) {
  const auto [found, is_new] = groups_.try_emplace(GroupKey(route));
  if (is_new) found->second.route = route;
  return found->second;
}

inline WarmServers::Slot* WarmServers::FindSlot(std::string_view id) {
  const auto found =
      std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) { return slot->server.id == id; });
  return found == slots_.end() ? nullptr : found->get();
}

inline WarmServers::Slot* WarmServers::OldestWarm(const Group& group) {
  Slot* oldest = nullptr;
  for (const auto& slot : slots_) {
    if (slot->group != &group || slot->state != State::kWarm) continue;
    if (!oldest || slot->since < oldest->since) oldest = slot.get();
  }
  return oldest;
}

inline std::vector<WarmServers::Slot*> WarmServers::Starting(const Group& group) {
  std::vector<Slot*> starting;
  for (const auto& slot : slots_) {
    if (slot->group == &group && slot->state == State::kStarting) starting.push_back(slot.get());
  }
  return starting;
}

inline std::int64_t WarmServers::Count(State state, const Group* group) const {
  return std::count_if(slots_.begin(), slots_.end(),
                       [&](const auto& slot) { return slot->state == state && (!group || slot->group == group); });
}

inline std::int64_t WarmServers::Target(const Group& group, MonotonicTime now) const {
  if (is_quiesced_ || is_stopping_) return 0;
  return group.is_listed || now < group.asked + rules_.idle_timeout ? rules_.size : 0;
}

inline std::int64_t WarmServers::CountClaims() const {
  std::size_t count = 0;
  for (const auto& [name, group] : groups_) count += group.claims.size();
  return static_cast<std::int64_t>(count);
}

inline void WarmServers::SetState(Slot& slot, State state) {
  slot.state = state;
  slot.since = host_.Now();
}

// Also for a server that ended soon after its start. What may be left of it is stopped.
inline void WarmServers::StartFailed(Slot& slot, const Status& why, std::int64_t failures_before) {
  Group& group = *slot.group;
  SetState(slot, State::kStopping);
  failures_.Add();
  group.failures = failures_before + 1;
  group.retry = host_.Now() + Pause(group.failures);
  group.last_error = why.message();
  FailClaims(group, why, Starting(group).size(), owed_);
  owed_.emplace_back([this, text = "a server of namespace '" + group.route.namespace_ + "' failed (" +
                                   std::to_string(group.failures) +
                                   " in a row): " + why.message()] { host_.Warn(text); });
}

inline Lease WarmServers::HandOut(Slot& slot, std::optional<std::string> key) {
  SetState(slot, State::kLeased);
  slot.key = std::move(key);
  slot.lease_id = slot.server.id + "." + std::to_string(++slot.handed_out);
  return {.id = slot.lease_id, .endpoint = slot.server.endpoint};
}

inline Duration WarmServers::Pause(std::int64_t failures) const {
  Duration pause = rules_.retry_min;
  for (std::int64_t i = 1; i < failures && pause < rules_.retry_max; ++i) pause *= 2;
  return std::min(pause, rules_.retry_max);
}

inline void WarmServers::ShowNumbers() const {
  for (std::size_t i = 0; i < std::size(kStateNames); ++i) {
    numbers_[i].Set(static_cast<double>(Count(static_cast<State>(i))));
  }
}

}  // namespace sgw::detail
