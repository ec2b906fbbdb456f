#include "core/session/ticket.h"

#include "core/connect/status_details.h"
#include "core/session/table.h"

namespace sgw::core {

SessionTicket::SessionTicket(SessionTable& table, std::shared_ptr<SessionEntry> session,
                             std::shared_ptr<const SessionRoute> route, std::shared_ptr<const CallFacts> facts,
                             const MethodFacts& method, const FirstFields& fields, Hold hold)
    : table_(table),
      session_(std::move(session)),
      endpoint_(session_->server->endpoint()),
      route_(std::move(route)),
      facts_(std::move(facts)),
      method_(method),
      hold_(std::move(hold)),
      worker_(*Worker::Current()) {
  Learn(fields);
}

SessionTicket::~SessionTicket() { Finished({}); }

const Route& SessionTicket::route() const { return *route_; }

void SessionTicket::Learn(const FirstFields& fields) {
  operation_id_ = fields.operation_id;
  is_reattachable_ = fields.is_reattachable;
  is_release_all_ = fields.is_release_all;
  allows_reconnect_ = fields.allows_reconnect;
}

void SessionTicket::BeginOperation() {
  const bool is_start = method_.method == SparkMethod::kExecutePlan;
  if (!is_start && method_.method != SparkMethod::kReattachExecute) return;
  has_operation_ = true;
  if (operation_id_.empty()) return;
  // One that is asked for again may have begun before this process.
  if (!is_start) hold_ = Allowance::Add(AllowanceOf(route_), Limited::kOperations);
  table_.WithOperations(*session_, [&](Operations& all) {
    all.Open(operation_id_, is_start, table_.Now(), hold_);
    return false;
  });
  if (!is_start) hold_.Release();
}

void SessionTicket::BindClone(const std::string& new_session_id) {
  if (IsUuid(new_session_id)) table_.BindClone(session_, new_session_id, *facts_, std::move(hold_));
}

void SessionTicket::LoseServer(const std::string& why) {
  table_.servers().Lose({session_->server}, why, /*is_told=*/true);
}

bool SessionTicket::Finished(const StreamEnd& end) {
  if (!std::exchange(is_attached_, false)) return false;
  const bool is_good = end.is_driver_answer && end.code == StatusCode::kOk;
  bool has_ended = false;
  if (has_operation_) {
    using enum Operations::Closing;
    const bool is_start = method_.method == SparkMethod::kExecutePlan;
    // A reattachable stream that ends without having said that it is complete only pauses.
    const bool is_over = end.has_result_complete || (is_start && (!is_reattachable_ || !end.was_sent));
    const auto how = is_over ? kEnds : end.is_driver_answer && !is_good ? kFails : kPauses;
    const std::string& id = operation_id_.empty() ? end.operation_id : operation_id_;
    const bool is_known = is_start || !end.operation_id.empty();
    // Without an id there is nothing to come back to.
    has_ended = id.empty() ? how != kPauses : table_.WithOperations(*session_, [&](Operations& all) {
      return all.Close(id, how, is_known, table_.Now(), hold_);
    });
  } else if (method_.method == SparkMethod::kReleaseExecute && is_release_all_ && is_good) {
    has_ended = table_.WithOperations(*session_, [&](Operations& all) { return all.Release(operation_id_); });
  }
  if (method_.method == SparkMethod::kReleaseSession && is_good) {
    SessionTable::Ending ending{
        .event = SGW_RECORD_SESSION_CLOSED, .reason = "released by its client", .facts = facts_.get()};
    if (!allows_reconnect_) {
      ending.refusal = SessionClosed("This session was stopped. Make a new one with SparkSession.builder.create().");
    }
    table_.End(session_, ending);
  }
  hold_.Release();
  table_.Leave(session_, this);
  return has_ended;
}

}  // namespace sgw::core
