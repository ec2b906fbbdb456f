#include "core/relay/call.h"
#include "core/relay/relay.h"

namespace sgw::core {

void Call::OnRefused() {
  run_.reset();
  LetGoOfSession();
}

void Call::OnDone() {
  run_.reset();
  LetGoOfSession();
  if (context_.refused_by.empty()) context_.refused_by = outcome().refused_by;
  if (context_.operation_id.empty() && reply_) context_.operation_id = reply_->operation_id();
  if (!is_health()) {
    if (has_operation_ended_) RecordEvent(SGW_RECORD_OPERATION_ENDED);
    RecordEvent(context_.refused_by.empty() ? SGW_RECORD_CALL_ENDED : SGW_RECORD_CALL_REFUSED);
  }
  home_.Count(*this);
  home_.Remove(*this);
}

void Call::LetGoOfSession() {
  if (!ticket_) return;
  // The driver never had the message to run it. It was admitted all the same, and is told of.
  const bool is_cut_short = is_beginning_;
  if (is_cut_short) BeginOperation();
  has_operation_ended_ = ticket_->Finished({.code = outcome().code,
                                            .is_driver_answer = is_driver_answer(),
                                            .was_sent = request().was_sent() && !is_cut_short,
                                            .has_result_complete = reply_ && reply_->has_result_complete(),
                                            .operation_id = reply_ ? reply_->operation_id() : ""});
  ticket_.reset();
}

void Call::RecordEvent(std::uint32_t event) {
  if (!pipeline_->has_observers()) return;
  RecordOf record(event, context_);
  sgw_record& raw = record.raw();
  if (!endpoint().address.empty()) raw.endpoint = View(endpoint().address);
  if (event == SGW_RECORD_OPERATION_STARTED) {
    raw.refused_by = {};
  } else {
    raw.code = static_cast<decltype(raw.code)>(outcome().code);
    raw.message = View(outcome().message);
    raw.bytes_from_client = bytes_from_client();
    raw.bytes_to_client = bytes_to_client();
    raw.duration_ns = static_cast<decltype(raw.duration_ns)>(duration().count());
  }
  pipeline_->Record(raw);
}

std::chrono::nanoseconds Call::duration() const { return home_.relay().clock().Now() - began_; }

}  // namespace sgw::core
