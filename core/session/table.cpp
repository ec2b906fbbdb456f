#include "core/session/table.h"

#include <spdlog/spdlog.h>

#include "core/connect/status_details.h"
#include "core/pipeline/records.h"

namespace sgw::core {
namespace {

constexpr auto kTombstoneLife = std::chrono::hours(24);
constexpr std::size_t kMaxTombstonesPerShard = 10'000;

std::string Join(std::initializer_list<std::string_view> parts) {
  std::string joined;
  for (const std::string_view part : parts) joined.append(part).push_back('\0');
  return joined;
}

}  // namespace

SessionTable::SessionTable(const Config& config, std::shared_ptr<const Pipeline> pipeline, EndpointTable& endpoints,
                           HostServices& services)
    : config_(config),
      pipeline_(std::move(pipeline)),
      endpoints_(endpoints),
      services_(services),
      opened_(services.metrics.Counter("spark_gateway_sessions_opened_total", "Sessions that were bound to a server.")),
      closed_(services.metrics.Counter("spark_gateway_sessions_closed_total",
                                       "Sessions that were released, expired, or ended by an operator.")),
      lost_(services.metrics.Counter("spark_gateway_sessions_lost_total", "Sessions whose server was lost.")) {
  endpoints_.SetListener(this);
  Series& live = services.metrics.Gauge("spark_gateway_sessions", "Sessions that are bound to a server.");
  services.metrics.BeforeSnapshot([this, &live] { live.Set(static_cast<double>(session_count_)); });
}

SessionTable::~SessionTable() { endpoints_.SetListener(nullptr); }

Status SessionTable::OpenJournal(const std::string& path) {
  auto journal = Journal::Open(path, services_.metrics, to_restore_);
  if (!journal) return journal.status();
  journal_ = *std::move(journal);
  return {};
}

void SessionTable::RestoreAll() {
  for (const JournalBinding& binding : to_restore_) Restore(binding);
  if (!to_restore_.empty()) spdlog::info("{} sessions were restored", to_restore_.size());
  to_restore_.clear();
}

std::string SessionTable::KeyOf(const Identity& identity, const std::string& session_id) {
  return Join({identity.realm, identity.subject, session_id});
}

std::string SessionTable::SharingKeyOf(const CallContext& context) const {
  const Route& route = context.route;
  std::string key = Join({route.namespace_, route.service_class});
  for (const auto& [name, value] : route.attributes) key += Join({name, value});
  const Identity& identity = *context.identity;
  switch (route.policy.share.value_or(config_.sessions.share)) {
    case Share::kSession:
      return key + Join({"session", identity.realm, identity.subject, context.session_id});
    case Share::kUser:
      return key + Join({"user", identity.realm, identity.subject});
    case Share::kTeam:
      break;
  }
  return key + Join({"team"});
}

Result<std::shared_ptr<SessionEntry>> SessionTable::Enter(const std::string& key) {
  Shard& shard = ShardOf(key);
  std::shared_ptr<SessionEntry> session;
  {
    const std::lock_guard lock(shard.mutex);
    if (const auto found = shard.sessions.find(key); found != shard.sessions.end()) {
      session = found->second;
      if (!session->group->is_lost) {
        ++session->open_streams;
        session->last_used = Now();
        return session;
      }
    } else if (const auto grave = shard.tombstones.find(key); grave != shard.tombstones.end()) {
      return grave->second.refusal;
    }
  }
  if (!session) return std::shared_ptr<SessionEntry>();
  // Its server was lost; this call is the first to hear of it.
  std::string because;
  {
    const std::lock_guard lock(groups_mutex_);
    because = session->group->lost_because;
  }
  const Status refusal = SessionChanged("The Spark server of this session ended (" + because +
                                        "). Temporary views, cached tables and settings are gone. Run "
                                        "SparkSession.builder.getOrCreate() again, then your set-up cells.");
  End(session, SGW_RECORD_SESSION_LOST, because, refusal, LeaseOutcome::kLost);
  return refusal;
}

void SessionTable::Insert(const std::shared_ptr<SessionEntry>& session) {
  opened_.Add(1);
  ++session_count_;
  if (journal_) {
    journal_->Bound({session->session_id, session->identity.subject, session->identity.user_name,
                     session->identity.realm, session->identity.groups, session->route.namespace_, session->route.team,
                     session->route.environment, session->routing_headers, session->group->key,
                     session->group->endpoint.address, session->group->endpoint.incarnation, session->group->lease_id,
                     session->group->source_name});
  }
  TellObservers(SGW_RECORD_SESSION_OPENED, *session, "");
}

Result<std::shared_ptr<SessionEntry>> SessionTable::Bind(const CallContext& context, const std::string& key,
                                                         const std::shared_ptr<ServerGroup>& group) {
  if (!AddSession(group)) return Unavailable("The server has just gone.", RetryIn(std::chrono::seconds(1)));
  auto session = std::make_shared<SessionEntry>();
  session->key = key;
  session->session_id = context.session_id;
  session->identity = *context.identity;
  session->route = context.route;
  for (const std::string& name : context.route.made_from) {
    if (const auto value = context.facts->headers.Find(name)) session->routing_headers.emplace_back(name, *value);
  }
  session->group = group;
  session->groups_seen = context.identity->groups;
  session->created = session->last_used = session->last_checked = Now();
  session->open_streams = 1;
  std::shared_ptr<SessionEntry> holder;
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    if (const auto grave = shard.tombstones.find(key); grave == shard.tombstones.end()) {
      holder = shard.sessions.emplace(key, session).first->second;
      if (holder != session) ++holder->open_streams;
    }
  }
  if (holder != session) DropSession(group, LeaseOutcome::kEnded);
  if (!holder) return SessionClosed("This session was ended. Make a new one with SparkSession.builder.create().");
  if (holder == session) Insert(session);
  return holder;
}

void SessionTable::BindClone(const SessionEntry& of, const std::string& new_session_id) {
  if (!AddSession(of.group)) return;
  auto clone = std::make_shared<SessionEntry>();
  clone->key = KeyOf(of.identity, new_session_id);
  clone->session_id = new_session_id;
  clone->identity = of.identity;
  clone->route = of.route;
  clone->routing_headers = of.routing_headers;
  clone->group = of.group;
  clone->groups_seen = of.identity.groups;
  clone->created = clone->last_used = clone->last_checked = Now();
  bool is_new = false;
  {
    Shard& shard = ShardOf(clone->key);
    const std::lock_guard lock(shard.mutex);
    is_new = shard.sessions.emplace(clone->key, clone).second;
  }
  if (is_new)
    Insert(clone);
  else
    DropSession(of.group, LeaseOutcome::kEnded);
}

void SessionTable::NoteOperation(SessionEntry& session, const std::string& operation_id) {
  const std::lock_guard lock(ShardOf(session.key).mutex);
  if (session.operations.size() < 1000) session.operations[operation_id] = Now();
}

bool SessionTable::IsDue(const SessionEntry& session, const std::vector<std::string>& groups) {
  const std::lock_guard lock(ShardOf(session.key).mutex);
  return Now() - session.last_checked > config_.sessions.recheck || session.groups_seen != groups;
}

void SessionTable::Checked(SessionEntry& session, const std::vector<std::string>& groups) {
  const std::lock_guard lock(ShardOf(session.key).mutex);
  session.last_checked = Now();
  session.groups_seen = groups;
}

void SessionTable::Leave(SessionEntry& session, const std::function<void(SessionEntry&)>& note) {
  Shard& shard = ShardOf(session.key);
  const std::lock_guard lock(shard.mutex);
  --session.open_streams;
  session.last_used = Now();
  note(session);
}

void SessionTable::End(const std::shared_ptr<SessionEntry>& session, std::uint32_t event, const std::string& reason,
                       const Status& tombstone, LeaseOutcome outcome) {
  {
    Shard& shard = ShardOf(session->key);
    const std::lock_guard lock(shard.mutex);
    if (std::exchange(session->is_ended, true)) return;
    shard.sessions.erase(session->key);
    if (!tombstone.ok()) {
      // Full of them, the oldest knowledge is the least use: any goes.
      if (shard.tombstones.size() >= kMaxTombstonesPerShard) shard.tombstones.erase(shard.tombstones.begin());
      shard.tombstones[session->key] = {tombstone, Now() + kTombstoneLife};
    }
  }
  --session_count_;
  (event == SGW_RECORD_SESSION_LOST ? lost_ : closed_).Add(1);
  if (journal_) journal_->Ended(session->identity.realm, session->identity.subject, session->session_id);
  TellObservers(event, *session, reason);
  DropSession(session->group, outcome);
}

void SessionTable::TellObservers(std::uint32_t event, const SessionEntry& session, const std::string& reason) {
  CallContext context;
  context.identity = session.identity;
  context.route = session.route;
  context.session_id = session.session_id;
  RecordOf record(event, context);
  record.raw().endpoint = View(session.group->endpoint.address);
  record.raw().lease_id = View(session.group->lease_id);
  record.raw().reason = View(reason);
  pipeline_->Record(record.raw());
}

std::vector<SessionView> SessionTable::List() const {
  std::vector<SessionView> list;
  const SteadyTime now = Now();
  const auto ms = [](SteadyTime::duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d); };
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, session] : shard.sessions) {
      list.push_back({session->session_id, session->identity.subject, session->identity.realm,
                      session->route.namespace_, session->group->endpoint.address,
                      session->group->is_lost ? "lost" : "bound", session->group->lease_id, session->group->source_name,
                      ms(now - session->created), ms(now - session->last_used), session->open_streams,
                      session->operations.size()});
    }
  }
  return list;
}

Status SessionTable::EndByOperator(const std::string& session_id, const std::string& subject) {
  std::vector<std::shared_ptr<SessionEntry>> found;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, session] : shard.sessions) {
      if (session->session_id == session_id && (subject.empty() || session->identity.subject == subject))
        found.push_back(session);
    }
  }
  if (found.empty()) return NotFound("there is no session " + session_id);
  if (found.size() > 1)
    return FailedPrecondition("several users have a session " + session_id + "; say whose with --subject");
  End(found.front(), SGW_RECORD_SESSION_CLOSED, "ended by an operator",
      SessionClosed("An operator ended this session. Make a new one with SparkSession.builder.create()."),
      LeaseOutcome::kEnded);
  return {};
}

void SessionTable::Restore(const JournalBinding& binding) {
  auto session = std::make_shared<SessionEntry>();
  session->session_id = binding.session_id;
  session->identity.subject = binding.subject;
  session->identity.user_name = binding.user_name;
  session->identity.realm = binding.realm;
  session->identity.groups = binding.groups;
  session->route.namespace_ = binding.namespace_;
  session->route.team = binding.team;
  session->route.environment = binding.environment;
  session->routing_headers = binding.routing_headers;
  for (const auto& [name, value] : binding.routing_headers) session->route.made_from.push_back(name);
  session->key = KeyOf(session->identity, binding.session_id);
  session->groups_seen = binding.groups;
  session->created = session->last_used = session->last_checked = Now();
  {
    const std::lock_guard lock(groups_mutex_);
    auto& group = groups_[binding.sharing_key];
    if (!group) {
      group = std::make_shared<ServerGroup>();
      group->key = binding.sharing_key;
      group->endpoint.address = binding.address;
      group->endpoint.incarnation = binding.incarnation;
      group->lease_id = binding.lease_id;
      group->source_name = binding.source;
      group->source = pipeline_->generation().Find(binding.source);
      group->was_claimed = true;
      group->since = Now();
      ++bound_to_[binding.address];
      endpoints_.Bind(binding.address, binding.incarnation);
    }
    ++group->sessions;
    session->group = group;
  }
  ++session_count_;
  ShardOf(session->key).sessions[session->key] = session;
  if (binding.lease_id.empty()) return;
  // The pool says whether the server behind the lease is still there.
  const std::string key = binding.sharing_key;
  const auto lose = [this, key](const std::string& why) {
    Lose([&](const ServerGroup& group) { return group.key == key; }, why);
  };
  if (!session->group->source || session->group->source->tag().kind != StepKind::kHotPool) {
    return lose("the pool that made it is not configured any more");
  }
  session->group->source
      ->Redeem(binding.lease_id,
               [lose](PluginAnswer answer) {
                 if (!std::holds_alternative<Lease>(answer)) lose("it did not survive a restart of the gateway");
               })
      .Forget();
}

}  // namespace sgw::core
