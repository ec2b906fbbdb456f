#include "core/connect/status_details.h"
#include "core/session/table.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kEvery = 1s;
// Spark abandons an operation that nobody reads after 5 minutes: twice that, and it does not keep a session alive.
constexpr auto kOperationForgotten = 10min;

}  // namespace

void SessionTable::Sweep() {
  const SteadyTime now = Now();
  struct Ending {
    std::shared_ptr<SessionEntry> session;
    std::string reason;
  };
  std::vector<Ending> endings;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (auto& [key, session] : shard.sessions) {
      std::erase_if(session->operations, [&](const auto& one) { return now - one.second > kOperationForgotten; });
      if (session->group->is_lost) {
        endings.push_back({session, "lost"});
        continue;
      }
      if (session->open_streams > 0 || !session->operations.empty()) continue;
      const auto idle = session->route.policy.idle_timeout.value_or(config_.sessions.idle_timeout);
      const auto age = session->route.policy.max_age.value_or(config_.sessions.max_age);
      if (now - session->last_used > idle)
        endings.push_back({session, "idle for too long"});
      else if (now - session->created > age)
        endings.push_back({session, "older than sessions may be"});
    }
    std::erase_if(shard.tombstones, [&](const auto& one) { return one.second.until < now; });
  }
  for (const Ending& ending : endings) {
    if (ending.reason == "lost") {
      // Enter() has the words for it; a stream is counted only for a live session.
      (void)Enter(ending.session->key);
      continue;
    }
    End(ending.session, SGW_RECORD_SESSION_CLOSED, ending.reason,
        SessionClosed("This session was " + ending.reason +
                      ", and has ended. Make a new one with "
                      "SparkSession.builder.create()."),
        LeaseOutcome::kEnded);
  }
  std::vector<std::shared_ptr<ServerGroup>> unclaimed;
  {
    const std::lock_guard lock(groups_mutex_);
    for (auto at = groups_.begin(); at != groups_.end();) {
      const auto& group = at->second;
      if (group->was_claimed || now - group->since < config_.sessions.unclaimed_after) {
        ++at;
        continue;
      }
      unclaimed.push_back(group);
      if (--bound_to_[group->endpoint.address] <= 0) bound_to_.erase(group->endpoint.address);
      at = groups_.erase(at);
    }
    std::erase_if(failures_, [&](const auto& one) { return one.second.until < now; });
    std::erase_if(expected_, [&](const auto& one) { return one.second < now; });
  }
  for (const auto& group : unclaimed) GiveBack(*group, LeaseOutcome::kUnclaimed);
  sweep_ = services_.control.StartTimer(kEvery, [this] { Sweep(); });
}

}  // namespace sgw::core
