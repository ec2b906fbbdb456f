#include "core/session/placing.h"

#include <algorithm>

#include "core/connect/status_details.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

// Another call is at the same session just now: it is through in microseconds.
constexpr auto kPause = 2ms;
constexpr int kMaxTries = 500;

Status Gone() {
  return SessionChanged(
      "The gateway knows no server of this session: it was ended, or its server is gone. Temporary views, cached "
      "tables and settings are gone. Run SparkSession.builder.getOrCreate() again, then your set-up cells.");
}

Status Full(const SessionTable& table) {
  const std::string most = std::to_string(table.max_sessions());
  return ResourceExhausted("The gateway has " + most + " of " + most +
                           " sessions. Try again later, or ask its operator.");
}

// What cleans up, or says what went wrong, is free.
bool IsFree(SparkMethod method) {
  using enum SparkMethod;
  return method == kReleaseExecute || method == kReleaseSession || method == kInterrupt || method == kFetchErrorDetails;
}

// Whether the header was not sent, or each of its values as it was kept.
bool IsAsKept(const HeaderBlock& headers, std::string_view name, const StringMap& kept) {
  const auto is_of_name = [name](const auto& one) { return one.first == name; };
  auto next = std::find_if(kept.begin(), kept.end(), is_of_name);
  bool is_sent = false;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (headers[i].name != name) continue;
    if (next == kept.end() || next->second != headers[i].value) return false;
    is_sent = true;
    next = std::find_if(next + 1, kept.end(), is_of_name);
  }
  return !is_sent || next == kept.end();
}

}  // namespace

Placing::Placing(SessionTable& table, CallContext& context, const FirstFields& fields, const MethodFacts& method,
                 Done done)
    : table_(table),
      context_(context),
      fields_(fields),
      method_(method),
      done_(std::move(done)),
      worker_(*Worker::Current()),
      key_(SessionTable::KeyOf(*context.identity, fields.session_id)) {
  context_.session_id = fields.session_id;
  wanted_.is_reattach = method.method == SparkMethod::kReattachExecute;
}

template <typename F>
auto Placing::Later(F function) {
  return [this, weak = weak_from_this(), &worker = worker_, function](auto... answer) {
    auto run = [this, weak, function, answer...] {
      const auto self = weak.lock();
      if (self && !is_over_) function(answer...);
    };
    worker.IsCurrent() ? run() : worker.Post(run);
  };
}

void Placing::Begin() {
  SessionTable::Entered entered = table_.Enter(key_, *context_.identity);
  if (!entered.refusal.ok()) return Refuse(entered.refusal, "session");
  if (entered.session) return Known(std::move(entered));
  NotHere();
}

void Placing::Drop() {
  is_over_ = true;
  run_.reset();
  timer_.Cancel();
  if (waiter_ != 0) table_.servers().StopWaiting(wanted_.key, std::exchange(waiter_, 0));
  LeaveSession();
}

void Placing::Known(SessionTable::Entered entered) {
  entered_ = std::move(entered);
  route_ = entered_.route;
  if (!entered_.session->server->is_confirmed()) return Refuse(Servers::IsAskedFor(), "session");
  if (const Status conflict = CheckHeaders(); !conflict.ok()) return Refuse(conflict, "session");
  if (entered_.is_check_due) return AskAgain();
  Take();
}

Status Placing::CheckHeaders() const {
  const StringMap& kept = route_->routing_headers;
  for (const std::string& name : route_->made_from) {
    if (IsAsKept(context_.facts->headers, name, kept)) continue;
    const StringMap sent = Occurrences(context_.facts->headers, name);
    StringMap was;
    for (const auto& one : kept) {
      if (one.first == name) was.push_back(one);
    }
    const auto shown = [&](const StringMap& values) { return name + "=" + values.front().second.substr(0, 100); };
    return InvalidArgument("This session was made " + (was.empty() ? "without " + name : "with " + shown(was)) +
                           ", and this call says " + shown(sent) + ". Make a new session for that.");
  }
  return {};
}

// The router speaks again for a session that lives: with what it was made from, and the identity as it is now.
void Placing::AskAgain() {
  const std::shared_ptr<CallFacts> sent = context_.facts;
  context_.facts = std::make_shared<CallFacts>(*sent);
  for (const std::string& name : route_->made_from) {
    if (sent->headers.Find(name)) continue;
    for (const auto& [kept, value] : route_->routing_headers) {
      if (kept == name) context_.facts->headers.Add(name, value);
    }
  }
  run_ = table_.pipeline().FindRoute(
      context_, Later([this, sent](Status status) {
        // The driver sees what the client sent now.
        const auto asked = std::exchange(context_.facts, sent);
        if (status.ok() && context_.route->namespace_ != route_->namespace_) {
          status = PermissionDenied("This session lives in " + route_->namespace_ +
                                    ", where you do not belong any more. Make a new session.");
        }
        if (!status.ok()) return Refuse(status, "router");
        route_ = entered_.session->server->Share(table_.MakeRoute(context_, asked->headers));
        table_.Checked(entered_.session, route_);
        Take();
      }));
}

void Placing::NotHere() {
  table_.LookUp(key_, Later([this](const Result<bool>& is_bound) {
                  if (!is_bound) return Refuse(is_bound.status(), "session");
                  *is_bound ? TryAgain() : Unknown();
                }));
}

void Placing::TryAgain() {
  if (++tries_ > kMaxTries) {
    return Refuse(Unavailable("The session is bound by another gateway.", RetryIn(5s)), "session");
  }
  timer_ = worker_.StartTimer(kPause, Later([this] { Begin(); }));
}

void Placing::Unknown() {
  if (method_.method_class == MethodClass::kNoopWhenUnknown) return Finish(Placement{});
  if (!context_.only_bound.ok()) return Refuse(context_.only_bound, "auth");
  // A client that has observed a server had one: it is gone, and no other is taken for it.
  const bool may_begin = method_.method_class == MethodClass::kCreates || wanted_.is_reattach;
  if (!may_begin || fields_.has_observed_id) return Refuse(Gone(), "session");
  run_ = table_.pipeline().FindRoute(context_, Later([this](const Status& status) {
                                       if (!status.ok()) return Refuse(status, "router");
                                       Claim();
                                     }));
}

void Placing::Claim() {
  route_ = table_.MakeRoute(context_, context_.facts->headers);
  // No server is taken for what would be refused in the end.
  if (!wanted_.is_reattach) {
    const Status status = table_.is_full() ? Full(table_) : route_->allowance.Check(Limited::kSessions);
    if (!status.ok()) return TooMany(status);
    if (const Status counted = CountCall(); !counted.ok()) return Refuse(counted, "limits");
  }
  wanted_.key = table_.SharingKeyOf(context_);
  wanted_.session_key = key_;
  const auto waiter = table_.servers().Claim(wanted_, context_, Later([this](const Result<ServerPtr>& server) {
                                               waiter_ = 0;
                                               timer_.Cancel();
                                               Claimed(server);
                                             }));
  if (waiter == 0) return;
  waiter_ = waiter;
  timer_ = worker_.StartTimer(table_.pipeline().hold(), Later([this] {
                                table_.servers().StopWaiting(wanted_.key, std::exchange(waiter_, 0));
                                Refuse(table_.servers().StillStarting(wanted_, *context_.route), "session");
                              }));
}

void Placing::Claimed(Result<ServerPtr> server) {
  if (!server) {
    const bool is_nothing = wanted_.is_reattach && server.status().code() == StatusCode::kNotFound;
    return Refuse(is_nothing ? Gone() : server.status(), "session");
  }
  // Others may have been bound while this one waited.
  if (table_.is_full()) return TooMany(Full(table_));
  // A stream is counted for what is bound, whoever is still there to take it.
  auto on_worker = [this, weak = weak_from_this(), &table = table_](const Result<SessionTable::Entered>& bound) {
    const auto self = weak.lock();
    if (self && !is_over_) return Bound(bound);
    if (bound && bound->session) table.Leave(bound->session);
  };
  table_.Bind(route_, context_.facts, key_, *server,
              [on_worker, &worker = worker_](Result<SessionTable::Entered> bound) {
                if (worker.IsCurrent()) return on_worker(bound);
                worker.Post([on_worker, bound = std::move(bound)] { on_worker(bound); });
              });
}

void Placing::Bound(Result<SessionTable::Entered> bound) {
  if (!bound) {
    const bool is_limit = bound.status().code() == StatusCode::kResourceExhausted;
    return Refuse(bound.status(), is_limit ? "limits" : "session");
  }
  if (!bound->refusal.ok()) return Refuse(bound->refusal, "session");
  if (!bound->session) return TryAgain();
  // It may be one that another call has made meanwhile, from other headers.
  Known(*std::move(bound));
}

// Another call may have made the session meanwhile, and this one is of it.
void Placing::TooMany(const Status& status) {
  SessionTable::Entered entered = table_.Enter(key_, *context_.identity);
  if (entered.session) return Known(std::move(entered));
  Refuse(status, "limits");
}

Status Placing::CountCall() {
  if (IsFree(method_.method) || std::exchange(is_counted_, true)) return {};
  return route_->allowance.counts_calls() ? route_->allowance.CountCall(table_.Now()) : Status();
}

Status Placing::CheckLimits(Hold& hold) {
  if (Status status = CountCall(); !status.ok()) return status;
  if (method_.method == SparkMethod::kExecutePlan) {
    return Allowance::Take(AllowanceOf(route_), Limited::kOperations, hold);
  }
  if (method_.method != SparkMethod::kCloneSession) return {};
  return table_.is_full() ? Full(table_) : Allowance::Take(AllowanceOf(route_), Limited::kSessions, hold);
}

void Placing::Take() {
  // A clone is a new session.
  if (method_.method == SparkMethod::kCloneSession && !context_.only_bound.ok())
    return Refuse(context_.only_bound, "auth");
  Hold hold;
  if (const Status status = CheckLimits(hold); !status.ok()) return Refuse(status, "limits");
  if (method_.method == SparkMethod::kCloneSession && IsUuid(fields_.new_session_id)) {
    const Status status = table_.CheckClone(entered_.session, fields_.new_session_id);
    if (!status.ok()) return Refuse(status, "session");
  }
  TellHome();
  const auto ticket = std::make_shared<SessionTicket>(table_, entered_.session, route_, context_.facts, method_,
                                                      fields_, std::move(hold));
  if (!table_.Attach(*ticket)) {
    LeaveSession();
    return TryAgain();
  }
  entered_.session.reset();
  Finish(Placement{ticket});
}

// Records of the call say where its session lives, also those of a refusal.
void Placing::TellHome() {
  context_.route = route_;
  context_.home = entered_.session->server->endpoint();
}

void Placing::LeaveSession() {
  if (entered_.session) table_.Leave(std::exchange(entered_.session, nullptr));
}

void Placing::Refuse(const Status& status, const char* by) {
  if (entered_.session) TellHome();
  LeaveSession();
  if (context_.refused_by.empty()) context_.refused_by = by;
  Finish(status);
}

void Placing::Finish(Result<Placement> result) {
  if (std::exchange(is_over_, true)) return;
  timer_.Cancel();
  const Done done = std::move(done_);
  done(std::move(result));
}

}  // namespace sgw::core
