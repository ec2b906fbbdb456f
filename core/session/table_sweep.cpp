#include <spdlog/spdlog.h>

#include "core/connect/status_details.h"
#include "core/session/table.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

}  // namespace

void SessionTable::Restore() {
  std::vector<std::pair<std::string, std::string>> all;
  store_->ForEach([&](const std::string& key, const std::string& text) { all.emplace_back(key, text); });
  std::size_t restored = 0;
  for (const auto& [key, text] : all) {
    const auto read = ReadBinding(text);
    if (!read) {
      spdlog::warn("a binding in the session journal cannot be read, and is dropped");
      store_->Remove(key, {});
      continue;
    }
    const auto* binding = std::get_if<Binding>(&*read);
    if (!binding) {
      const std::lock_guard lock(graves_mutex_);
      graves_.push_back(key);
      continue;
    }
    const ServerPtr server = servers_.Restore(*binding);
    if (!server) {
      store_->Remove(key, {});
      Bury(key, SessionChanged("The Spark server of this session was given to another session. Run "
                               "SparkSession.builder.getOrCreate() again, then your set-up cells."));
      continue;
    }
    auto who = std::make_shared<const Identity>(Identity{.subject = binding->subject,
                                                         .user_name = binding->user_name,
                                                         .groups = binding->groups,
                                                         .realm = binding->realm});
    const RoutePtr route = server->Share(
        std::make_shared<const SessionRoute>(binding->route, std::move(who), binding->routing_headers, limits_));
    auto session = std::make_shared<SessionEntry>(key, server, Now() - (services_.clock->Wall() - binding->created),
                                                  route, Allowance::Add(AllowanceOf(route), Limited::kSessions));
    session->last_used = session->last_touched = Now();
    // The first call has the router say the rest: header edits are not written down, and of the policy only limits.
    session->last_checked = Now() - config_.sessions.recheck - 1s;
    ++count_;
    ++restored;
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    shard.sessions.insert(std::move(session));
  }
  servers_.ConfirmRestored();
  if (restored > 0) spdlog::info("{} sessions of an earlier run live on", restored);
}

void SessionTable::Sweep() {
  const SteadyTime now = Now();
  const auto is_idle = [&](const SessionEntry& s) {
    return !s.is_used() && now - s.last_used > s.route->policy.idle_timeout.value_or(config_.sessions.idle_timeout);
  };
  const auto is_old = [&](const SessionEntry& s) {
    return !s.is_used() && now - s.created > s.route->policy.max_age.value_or(config_.sessions.max_age);
  };
  for (Shard& shard : shards_) {
    std::vector<EntryPtr> lost;
    std::vector<EntryPtr> idle;
    std::vector<EntryPtr> old;
    std::vector<std::pair<std::string, std::chrono::milliseconds>> touched;
    std::vector<std::pair<EntryPtr, std::string>> forgotten;
    {
      const std::lock_guard lock(shard.mutex);
      for (const EntryPtr& session : shard.sessions) {
        if (session->running() > 0) {
          for (std::string& id : session->operations->Forget(now)) forgotten.emplace_back(session, std::move(id));
        }
        if (session->server->is_lost()) {
          lost.push_back(session);
        } else if (is_idle(*session)) {
          idle.push_back(session);
        } else if (is_old(*session)) {
          old.push_back(session);
        } else if (const auto ttl = TtlOf(*session->route); now - session->last_touched > ttl / 3) {
          session->last_touched = now;
          touched.emplace_back(session->key, ttl);
        }
      }
    }
    for (const auto& [session, id] : forgotten) {
      Tell(SGW_RECORD_OPERATION_ENDED, *session, "nobody reads it any more", nullptr, id);
    }
    for (const auto& [key, ttl] : touched) store_->Touch(key, ttl, {});
    for (const EntryPtr& session : lost) EndLost(session);
    const auto expire = [&](const EntryPtr& session, const std::string& reason, const auto& is_due) {
      End(session,
          {.event = SGW_RECORD_SESSION_CLOSED,
           .reason = reason,
           .refusal = SessionClosed("This session was " + reason +
                                    ", and has ended. Make a new one with SparkSession.builder.create().")},
          is_due);
    };
    for (const EntryPtr& session : idle) expire(session, "idle for too long", is_idle);
    for (const EntryPtr& session : old) expire(session, "older than sessions may be", is_old);
  }
  store_->Sweep();
  servers_.Sweep();
  limits_.Sweep(now);
}

std::vector<SessionView> SessionTable::List() const {
  std::vector<SessionView> list;
  const SteadyTime now = Now();
  const auto ms = [](SteadyTime::duration time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time); };
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const EntryPtr& session : shard.sessions) {
      const BoundServer& server = *session->server;
      const Identity& who = *session->route->identity;
      list.push_back({std::string(session->session_id()), who.subject, who.realm, session->route->namespace_,
                      server.address, server.is_lost() ? "lost" : "bound", server.lease_id, server.source_name,
                      ms(now - session->created), ms(now - session->last_used), session->open_streams,
                      session->running()});
    }
  }
  return list;
}

std::vector<EntryPtr> SessionTable::Find(const SessionName& name) const {
  const auto is_said = [](const std::string& said, const std::string& is) { return said.empty() || said == is; };
  std::vector<EntryPtr> found;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const EntryPtr& session : shard.sessions) {
      if (session->session_id() != name.session_id) continue;
      const Identity& who = *session->route->identity;
      if (is_said(name.subject, who.subject) && is_said(name.realm, who.realm)) found.push_back(session);
    }
  }
  return found;
}

SessionTable::Counts SessionTable::counts() const {
  Counts counts;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const EntryPtr& session : shard.sessions) ++(session->is_used() ? counts.active : counts.idle);
  }
  return counts;
}

}  // namespace sgw::core
