#include "core/session/table.h"

#include <algorithm>
#include <ctime>

#include "core/connect/status_details.h"
#include "core/pipeline/records.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kTombstoneLife = 24h;
constexpr std::size_t kMaxTombstones = 100'000;
constexpr auto kGrace = 10min;  // a binding outlives its idle timeout in the store

std::string Joined(std::initializer_list<std::string_view> parts) {
  std::string joined;
  for (const std::string_view part : parts) joined.append(part).push_back('\0');
  return joined;
}

}  // namespace

SessionTable::SessionTable(const Config& config, std::shared_ptr<const Pipeline> pipeline,
                           std::unique_ptr<BindingStore> store, EndpointTable& endpoints, HostServices& services)
    : config_(config),
      pipeline_(pipeline),
      store_(std::move(store)),
      services_(services),
      servers_(config, std::move(pipeline), endpoints, services),
      limits_(services.metrics, config.limits.sessions_per_subject),
      opened_(services.metrics.Counter("spark_gateway_sessions_opened_total", "Sessions that were bound to a server.")),
      closed_(services.metrics.Counter("spark_gateway_sessions_closed_total",
                                       "Sessions that were released, expired, or ended by an operator.")),
      lost_(services.metrics.Counter("spark_gateway_sessions_lost_total", "Sessions whose server was lost.")) {}

std::string_view SessionEntry::session_id() const {
  const std::string_view text = std::string_view(key).substr(0, key.size() - 1);
  return text.substr(text.rfind('\0') + 1);
}

Operations& SessionEntry::all_operations() {
  if (!operations) operations = std::make_unique<Operations>();
  return *operations;
}

std::string SessionTable::KeyOf(const Identity& identity, const std::string& session_id) {
  return Joined({identity.realm, identity.subject, session_id});
}

std::string SessionTable::SharingKeyOf(const CallContext& context) const {
  const Route& route = *context.route;
  StringMap attributes = route.attributes;
  std::sort(attributes.begin(), attributes.end());
  std::string key = Joined({route.namespace_, route.service_class, std::to_string(attributes.size())});
  for (const auto& [name, value] : attributes) key += Joined({name, value});
  const Identity& identity = *context.identity;
  switch (route.policy.share.value_or(config_.sessions.share)) {
    case Share::kSession: return key + Joined({"session", context.session_id, identity.realm, identity.subject});
    case Share::kUser: return key + Joined({"user", identity.realm, identity.subject});
    case Share::kTeam: break;
  }
  return key + Joined({"team"});
}

StringMap Occurrences(const HeaderBlock& headers, const std::string& name) {
  StringMap all;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (headers[i].name == name) all.emplace_back(name, headers[i].value);
  }
  return all;
}

RoutePtr SessionTable::MakeRoute(const CallContext& context, const HeaderBlock& asked_with) {
  StringMap made_from;
  for (const std::string& name : context.route->made_from) {
    for (auto& one : Occurrences(asked_with, name)) made_from.push_back(std::move(one));
  }
  return std::make_shared<const SessionRoute>(*context.route, context.identity, std::move(made_from), limits_);
}

RoutePtr SessionTable::RouteOf(const SessionEntry& session) const {
  const std::lock_guard lock(ShardOf(session).mutex);
  return session.route;
}

SessionTable::Entered SessionTable::Enter(const std::string& key, const Identity& caller) {
  EntryPtr session;
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.sessions.find(key);
    if (found == shard.sessions.end()) return {};
    session = *found;
    // On its way out; one that may begin anew is not here any more in a moment.
    if (session->ended) return {.refusal = session->ended->refusal};
    if (!session->server->is_lost()) {
      ++session->open_streams;
      session->last_used = Now();
      const Identity& checked = *session->route->identity;
      const bool is_check_due =
          pipeline_->has_router() && (checked.groups != caller.groups || checked.actor != caller.actor ||
                                      session->last_used - session->last_checked > config_.sessions.recheck);
      return {session, session->route, is_check_due, {}};
    }
  }
  EndLost(session);
  return {.refusal = session->ended->refusal};
}

void SessionTable::LookUp(const std::string& key, std::function<void(Result<bool>)> done) {
  store_->LookUp(key, SessionStore::Done([done = std::move(done)](const Result<SessionStore::Binding>& holds) {
                   if (!holds) return done(Unavailable("The session store does not answer.", RetryIn(5s)));
                   if (!*holds) return done(false);
                   const auto read = ReadBinding(**holds);
                   const auto* tombstone = read ? std::get_if<Tombstone>(&*read) : nullptr;
                   done(tombstone ? Result<bool>(tombstone->refusal) : true);
                 }));
}

void SessionTable::Bind(const RoutePtr& route, std::shared_ptr<const CallFacts> facts, const std::string& key,
                        const ServerPtr& server, std::function<void(Result<Entered>)> done) {
  if (!servers_.Join(server, key)) return done(Unavailable("Your server has just gone.", RetryIn(1s)));
  const RoutePtr shared = server->Share(route);
  auto session = std::make_shared<SessionEntry>(key, server, Now(), shared);
  session->open_streams = 1;
  Write(session, std::move(facts), [this, session, shared, done = std::move(done)](const Result<bool>& is_bound) {
    if (!is_bound) return done(is_bound.status());
    done(*is_bound ? Entered{session, shared, false, {}} : Enter(session->key, *shared->identity));
  });
}

void SessionTable::Write(const EntryPtr& session, std::shared_ptr<const CallFacts> facts,
                         std::function<void(Result<bool>)> done) {
  std::string text = TextFor(*session);
  store_->BindIfAbsent(session->key, text, TtlOf(*session->route),
                       SessionStore::Done([this, session, text, facts = std::move(facts),
                                           done = std::move(done)](const Result<SessionStore::Binding>& holds) {
                         if (holds && *holds == text) {
                           const Status inserted = Insert(session, facts.get());
                           if (inserted.ok()) return done(true);
                           store_->Remove(session->key, {});
                           servers_.Leave(session->server, LeaseOutcome::kUnclaimed);
                           return done(inserted);
                         }
                         // Another call was first, here or elsewhere.
                         servers_.Leave(session->server, LeaseOutcome::kUnclaimed);
                         if (!holds || !*holds)
                           return done(Unavailable("The session store does not answer.", RetryIn(5s)));
                         const auto read = ReadBinding(**holds);
                         const auto* tombstone = read ? std::get_if<Tombstone>(&*read) : nullptr;
                         done(tombstone ? Result<bool>(tombstone->refusal) : false);
                       }));
}

std::string SessionTable::TextFor(const SessionEntry& session) {
  // Nobody reads it again: it only tells whose binding holds.
  if (!store_->is_durable()) return std::to_string(++written_);
  const Identity& who = *session.route->identity;
  const BoundServer& server = *session.server;
  const auto endpoint = server.endpoint();
  return TextOf(Binding{.id = TraceParent(""),  // that of a new trace is a random one
                        .session_id = std::string(session.session_id()),
                        .realm = who.realm,
                        .subject = who.subject,
                        .user_name = who.user_name,
                        .groups = who.groups,
                        .route = *session.route,
                        .routing_headers = session.route->routing_headers,
                        .sharing_key = server.key,
                        .address = server.address,
                        .incarnation = server.incarnation,
                        .tls = endpoint->tls,
                        .server_name = endpoint->server_name,
                        .has_credentials = !endpoint->token.empty() || !endpoint->headers.set.empty(),
                        .lease_id = server.lease_id,
                        .source = server.source_name,
                        .created = services_.clock->Wall()});
}

Status SessionTable::Insert(const EntryPtr& session, const CallFacts* facts) {
  {
    Shard& shard = ShardOf(*session);
    const std::lock_guard lock(shard.mutex);
    // With the lock: EndAll sees it, or it sees that.
    if (is_stopped_) return Unavailable("The gateway is being stopped.", RetryIn(5s));
    // Whoever is refused for it finds it here.
    if (!session->hold) {
      Status taken = Allowance::Take(AllowanceOf(session->route), Limited::kSessions, session->hold);
      if (!taken.ok()) return taken;
    }
    shard.sessions.erase(session);
    shard.sessions.insert(session);
  }
  ++count_;
  opened_.Add(1);
  Tell(SGW_RECORD_SESSION_OPENED, *session, "", facts);
  return {};
}

Status SessionTable::CheckClone(const EntryPtr& of, const std::string& new_session_id) {
  const std::string key = KeyOf(*RouteOf(*of)->identity, new_session_id);
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end() || (*at)->server == of->server) return {};
  return InvalidArgument("The session " + new_session_id + " exists already, on another server. Take another id.");
}

void SessionTable::BindClone(const EntryPtr& of, const std::string& new_session_id, const CallFacts& facts, Hold hold) {
  const RoutePtr route = RouteOf(*of);
  const std::string key = KeyOf(*route->identity, new_session_id);
  if (!servers_.Join(of->server, key)) return;
  auto clone = std::make_shared<SessionEntry>(key, of->server, Now(), route, std::move(hold));
  Write(clone, std::make_shared<CallFacts>(facts), [](const Result<bool>&) {});
}

void SessionTable::Checked(const EntryPtr& session, const RoutePtr& route) {
  const std::lock_guard lock(ShardOf(*session).mutex);
  // What it has stays its own, be it more than it may have now.
  if (!session->ended) session->hold = Allowance::Add(AllowanceOf(route), Limited::kSessions);
  session->route = route;
  session->last_checked = Now();
}

bool SessionTable::Attach(SessionTicket& ticket) {
  SessionEntry& session = *ticket.session_;
  const std::lock_guard lock(ShardOf(session).mutex);
  if (session.ended) return false;
  session.tickets.push_back(ticket);
  ticket.is_attached_ = true;
  return true;
}

void SessionTable::Leave(const EntryPtr& session, SessionTicket* ticket) {
  {
    const std::lock_guard lock(ShardOf(*session).mutex);
    if (ticket) session->tickets.erase(session->tickets.iterator_to(*ticket));
    session->last_used = Now();
    if (--session->open_streams > 0 || !session->ended) return;
  }
  servers_.Leave(session->server, session->ended->outcome);
}

bool SessionTable::WithOperations(SessionEntry& session, const std::function<bool(Operations&)>& ask) {
  const std::lock_guard lock(ShardOf(session).mutex);
  return ask(session.all_operations());
}

bool SessionTable::End(const EntryPtr& session, const Ending& ending,
                       const std::function<bool(const SessionEntry&)>& is_still_due) {
  Shard& shard = ShardOf(*session);
  bool has_streams = false;
  std::vector<std::string> running;
  std::vector<std::pair<Worker*, std::weak_ptr<SessionTicket>>> cut;
  {
    const std::lock_guard lock(shard.mutex);
    if (session->ended || (is_still_due && !is_still_due(*session))) return false;
    session->ended = std::make_unique<const SessionEntry::Ended>(SessionEntry::Ended{ending.refusal, ending.outcome});
    has_streams = session->open_streams > 0;
    session->hold.Release();
    running = session->all_operations().EndAll();
    for (SessionTicket& ticket : session->tickets) {
      if (ending.cuts_streams) cut.emplace_back(&ticket.worker_, ticket.weak_from_this());
    }
  }
  // First the store: a caller that does not find the session here looks there.
  store_->Remove(session->key, {});
  if (!ending.refusal.ok()) Bury(session->key, ending.refusal);
  {
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.sessions.find(session);
    if (at != shard.sessions.end() && *at == session) shard.sessions.erase(at);
  }
  --count_;
  (ending.event == SGW_RECORD_SESSION_LOST ? lost_ : closed_).Add(1);
  for (const std::string& id : running) Tell(SGW_RECORD_OPERATION_ENDED, *session, ending.reason, ending.facts, id);
  Tell(ending.event, *session, ending.reason, ending.facts);
  for (const auto& [worker, ticket] : cut) {
    worker->Post([ticket = ticket, refusal = ending.refusal] {
      const auto self = ticket.lock();
      if (self && self->on_cut_) std::exchange(self->on_cut_, nullptr)(refusal);
    });
  }
  // The last stream gives the server back: nobody else gets it while somebody still listens to it.
  if (!has_streams) servers_.Leave(session->server, ending.outcome);
  return true;
}

void SessionTable::EndLost(const EntryPtr& session) {
  const std::string because = session->server->lost_because();
  const std::time_t now = std::chrono::system_clock::to_time_t(services_.clock->Wall());
  std::tm utc{};
  gmtime_r(&now, &utc);
  char at[16];
  std::strftime(at, sizeof(at), "%H:%M UTC", &utc);
  End(session, {.event = SGW_RECORD_SESSION_LOST,
                .reason = because,
                .refusal = SessionChanged("The Spark server of this session is gone, as was seen at " +
                                          std::string(at) + " (" + because +
                                          "). Temporary views, cached tables and settings are gone. Run "
                                          "SparkSession.builder.getOrCreate() again, then your set-up cells."),
                .outcome = LeaseOutcome::kLost,
                .cuts_streams = true});
}

void SessionTable::EndAll(const std::string& reason) {
  is_stopped_ = true;
  for (Shard& shard : shards_) {
    std::vector<EntryPtr> all;
    {
      const std::lock_guard lock(shard.mutex);
      all.assign(shard.sessions.begin(), shard.sessions.end());
    }
    for (const EntryPtr& session : all) End(session, {.event = SGW_RECORD_SESSION_CLOSED, .reason = reason});
  }
}

void SessionTable::Bury(const std::string& key, const Status& refusal) {
  store_->BindIfAbsent(key, TextOf(Tombstone{refusal}), kTombstoneLife, {});
  std::string oldest;
  {
    const std::lock_guard lock(graves_mutex_);
    graves_.push_back(key);
    if (graves_.size() <= kMaxTombstones) return;
    oldest = std::move(graves_.front());
    graves_.pop_front();
  }
  RemoveTombstone(oldest);
}

// The key may have a session again, when its tombstone has ended by its ttl.
void SessionTable::RemoveTombstone(const std::string& key) {
  store_->LookUp(key, SessionStore::Done([this, key](const Result<SessionStore::Binding>& holds) {
                   if (!holds || !*holds) return;
                   const auto read = ReadBinding(**holds);
                   if (read && std::holds_alternative<Tombstone>(*read)) store_->Remove(key, {});
                 }));
}

std::chrono::milliseconds SessionTable::TtlOf(const Route& route) const {
  return route.policy.idle_timeout.value_or(config_.sessions.idle_timeout) + kGrace;
}

void SessionTable::Tell(std::uint32_t event, const SessionEntry& session, const std::string& reason,
                        const CallFacts* facts, const std::string& operation_id) const {
  if (!pipeline_->has_observers()) return;
  CallContext context;
  if (facts) *context.facts = *facts;
  const RoutePtr route = RouteOf(session);
  context.identity = route->identity;
  context.route = route;
  context.session_id = session.session_id();
  context.operation_id = operation_id;
  RecordOf record(event, context);
  record.raw().endpoint = View(session.server->address);
  record.raw().lease_id = View(session.server->lease_id);
  record.raw().reason = View(reason);
  // It had not come to its own end.
  if (!operation_id.empty()) record.raw().code = static_cast<decltype(sgw_record::code)>(StatusCode::kCancelled);
  pipeline_->Record(record.raw());
}

}  // namespace sgw::core
