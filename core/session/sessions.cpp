#include "core/session/sessions.h"

#include <algorithm>
#include <future>

#include "core/connect/status_details.h"
#include "core/session/table.h"

namespace sgw::core {
namespace {

Status Gone() {
  return SessionChanged(
      "The gateway knows no server of this session: it was ended, or its server is gone. Temporary views, cached "
      "tables and "
      "settings are gone. Run SparkSession.builder.getOrCreate() again, then your set-up cells.");
}

// The way of one call to its session; see Sessions::Place. Lives until the answer, or until it is dropped.
class Placing : public Run, public std::enable_shared_from_this<Placing> {
 public:
  using Done = std::function<void(Result<Placement>)>;

  Placing(SessionTable& table, CallContext& context, const FirstFields& fields, const MethodFacts& method, Done done)
      : table_(table), context_(context), fields_(fields), method_(method), done_(std::move(done)) {
    context_.session_id = fields.session_id;
    key_ = SessionTable::KeyOf(*context.identity, fields.session_id);
  }
  ~Placing() override { Drop(); }

  void Begin() {
    auto entered = table_.Enter(key_);
    if (!entered) return Refuse(entered.status(), "session");
    if (*entered) return Known(*std::move(entered));
    Unknown();
  }

  void Drop() {
    is_over_ = true;
    if (waiter_ != 0) table_.StopWaiting(sharing_key_, std::exchange(waiter_, 0));
    hold_.Cancel();
    if (session_) table_.Leave(*std::exchange(session_, nullptr), [](SessionEntry&) {});
  }

 private:
  void Finish(Result<Placement> result) {
    if (std::exchange(is_over_, true)) return;
    hold_.Cancel();
    const Done done = std::move(done_);
    done(std::move(result));
  }
  void Refuse(const Status& status, const char* by) {
    if (context_.refused_by.empty()) context_.refused_by = by;
    Finish(status);
  }
  void Take(std::shared_ptr<SessionEntry> session) {
    context_.route = session->route;
    Finish(Placement{std::make_shared<SessionTicket>(table_, std::move(session), method_, fields_)});
  }

  // The session lives: only what may have changed since it was bound is looked at.
  void Known(std::shared_ptr<SessionEntry> session) {
    session_ = std::move(session);
    for (const auto& [name, value] : session_->routing_headers) {
      const auto sent = context_.facts->headers.Find(name);
      if (!sent || *sent == value) continue;
      const Status conflict =
          InvalidArgument("This session belongs to " + name + "=" + value + ", and the call says " + name + "=" +
                          std::string(sent->substr(0, 100)) + ". Make a new session for that.");
      table_.Leave(*std::exchange(session_, nullptr), [](SessionEntry&) {});
      return Refuse(conflict, "session");
    }
    const bool is_due = table_.pipeline().has_router() && table_.IsDue(*session_, context_.identity->groups);
    if (!is_due) return Take(std::exchange(session_, nullptr));
    for (const auto& [name, value] : session_->routing_headers) {
      if (!context_.facts->headers.Find(name)) context_.facts->headers.Add(name, value);
    }
    auto weak = weak_from_this();
    run_ = table_.pipeline().FindRoute(context_, [this, weak](Status status) {
      const auto self = weak.lock();
      if (!self || is_over_) return;
      auto checked = std::exchange(session_, nullptr);
      if (status.ok() && context_.route.namespace_ != checked->route.namespace_) {
        status = PermissionDenied("This session lives in " + checked->route.namespace_ +
                                  ", where you do not belong any more.");
      }
      if (!status.ok()) {
        table_.Leave(*checked, [](SessionEntry&) {});
        return Refuse(status, "session");
      }
      table_.Checked(*checked, context_.identity->groups);
      Take(std::move(checked));
    });
  }

  void Unknown() {
    if (method_.method_class == MethodClass::kNoopWhenUnknown) return Finish(Placement{});
    const bool may_reattach = method_.method == SparkMethod::kReattachExecute && !fields_.has_observed_id;
    const bool may_create = method_.method_class == MethodClass::kCreates && !fields_.has_observed_id;
    if (!may_create && !may_reattach) return Refuse(Gone(), "session");
    if (may_create && table_.is_full()) {
      return Refuse(ResourceExhausted("The gateway has as many sessions as it may (limits.sessions)."), "limits");
    }
    auto weak = weak_from_this();
    run_ = table_.pipeline().FindRoute(context_, [this, weak, may_reattach](Status status) {
      const auto self = weak.lock();
      if (!self || is_over_) return;
      if (!status.ok()) return Refuse(status, "router");
      Claim(may_reattach);
    });
  }

  void Claim(bool is_reattach) {
    sharing_key_ = table_.SharingKeyOf(context_);
    auto weak = weak_from_this();
    const std::uint64_t waiter = table_.Claim({sharing_key_, key_, is_reattach}, context_,
                                              [this, weak](Result<std::shared_ptr<ServerGroup>> group) {
                                                const auto self = weak.lock();
                                                if (!self || is_over_) return;
                                                waiter_ = 0;
                                                Claimed(std::move(group));
                                              });
    if (is_over_ || waiter == 0) return;
    waiter_ = waiter;
    hold_ = Worker::Current()->StartTimer(table_.pipeline().hold(), [this, weak] {
      const auto self = weak.lock();
      if (!self || is_over_) return;
      table_.StopWaiting(sharing_key_, std::exchange(waiter_, 0));
      Refuse(table_.StillStarting(sharing_key_, context_.route), "session");
    });
  }

  void Claimed(Result<std::shared_ptr<ServerGroup>> group) {
    if (!group) {
      const bool is_nothing =
          group.status().code() == StatusCode::kNotFound && method_.method == SparkMethod::kReattachExecute;
      return Refuse(is_nothing ? Gone() : group.status(), "session");
    }
    auto bound = table_.Bind(context_, key_, *group);
    if (!bound) return Refuse(bound.status(), "session");
    Take(*std::move(bound));
  }

  SessionTable& table_;
  CallContext& context_;
  const FirstFields fields_;
  const MethodFacts& method_;
  Done done_;
  std::string key_;
  std::string sharing_key_;
  std::shared_ptr<SessionEntry> session_;  // entered, and not handed on yet
  std::unique_ptr<Run> run_;
  Timer hold_;
  std::uint64_t waiter_ = 0;
  bool is_over_ = false;
};

// What the caller holds: dropping it drops the way, whoever else still refers to it.
class PlacingHandle : public Run {
 public:
  explicit PlacingHandle(std::shared_ptr<Placing> placing) : placing_(std::move(placing)) {}
  ~PlacingHandle() override { placing_->Drop(); }

 private:
  const std::shared_ptr<Placing> placing_;
};

}  // namespace

SessionTicket::SessionTicket(SessionTable& table, std::shared_ptr<SessionEntry> session, const MethodFacts& method,
                             FirstFields fields)
    : table_(table), session_(std::move(session)), method_(method), fields_(std::move(fields)) {
  if (method_.method == SparkMethod::kExecutePlan && !fields_.operation_id.empty()) {
    table_.NoteOperation(*session_, fields_.operation_id);
  }
}

SessionTicket::~SessionTicket() {
  if (!is_finished_) table_.Leave(*session_, [](SessionEntry&) {});
}

const Endpoint& SessionTicket::endpoint() const { return session_->group->endpoint; }
const Route& SessionTicket::route() const { return session_->route; }

void SessionTicket::BindClone(const std::string& new_session_id) {
  if (IsUuid(new_session_id)) table_.BindClone(*session_, new_session_id);
}

void SessionTicket::Finished(StatusCode code, bool has_result_complete, const std::string& operation_id) {
  if (std::exchange(is_finished_, true)) return;
  const std::string operation = fields_.operation_id.empty() ? operation_id : fields_.operation_id;
  const bool is_execution =
      method_.method == SparkMethod::kExecutePlan || method_.method == SparkMethod::kReattachExecute;
  const bool is_pause = is_execution && code == StatusCode::kOk && !has_result_complete &&
                        (fields_.is_reattachable || method_.method == SparkMethod::kReattachExecute);
  const bool has_ended = (is_execution && !is_pause) || fields_.is_release_all;
  table_.Leave(*session_, [&](SessionEntry& session) {
    if (has_ended)
      session.operations.erase(operation);
    else if (is_pause)
      session.operations[operation] = session.last_used;
  });
  if (method_.method == SparkMethod::kReleaseSession && code == StatusCode::kOk) {
    table_.End(session_, SGW_RECORD_SESSION_CLOSED, "released by its client",
               fields_.allows_reconnect ? Status()
                                        : SessionClosed("This session was stopped. Make a new one with "
                                                        "SparkSession.builder.create()."),
               LeaseOutcome::kEnded);
  }
}

Sessions::Sessions(std::unique_ptr<SessionTable> table) : table_(std::move(table)) {}
Sessions::~Sessions() = default;

Result<std::unique_ptr<Sessions>> Sessions::Create(const Config& config, std::shared_ptr<const Pipeline> pipeline,
                                                   EndpointTable& endpoints, HostServices& services) {
  auto table = std::make_unique<SessionTable>(config, std::move(pipeline), endpoints, services);
  SessionTable* const raw = table.get();
  services.on_lease_lost = [raw](const std::string& instance, const std::string& lease_id, const std::string& reason) {
    raw->Lose([&](const ServerGroup& group) { return group.lease_id == lease_id && group.source_name == instance; },
              reason);
  };
  services.on_endpoint_gone = [raw](const std::string& address, const std::string& incarnation,
                                    const std::string& reason) {
    raw->Lose(
        [&](const ServerGroup& group) {
          return group.endpoint.address == address && group.endpoint.incarnation == incarnation;
        },
        reason);
  };
  if (!config.sessions.state.empty()) {
    if (const Status status = table->OpenJournal(config.sessions.state); !status.ok()) return status;
  }
  return std::unique_ptr<Sessions>(new Sessions(std::move(table)));
}

std::unique_ptr<Run> Sessions::Place(CallContext& context, const FirstFields& fields, const MethodFacts& method,
                                     std::function<void(Result<Placement>)> done) {
  auto placing = std::make_shared<Placing>(*table_, context, fields, method, std::move(done));
  auto handle = std::make_unique<PlacingHandle>(placing);
  placing->Begin();
  return handle;
}

std::vector<SessionView> Sessions::List() const { return table_->List(); }
Status Sessions::End(const std::string& session_id, const std::string& subject) {
  return table_->EndByOperator(session_id, subject);
}

void Sessions::Restore() { table_->RestoreAll(); }

void Sessions::StartSweeping() {
  table_->services().control.Post([table = table_.get()] { table->Sweep(); });
}

void Sessions::Stop() {
  std::promise<void> done;
  table_->services().control.Post([&] {
    table_->StopSweeping();
    done.set_value();
  });
  done.get_future().get();
}

}  // namespace sgw::core
