// What observers are told: Record for audits, MetricsSnapshot for metrics.
#pragma once

#include <sgw/values.h>

#include <cstdint>
#include <string_view>

namespace sgw {

enum class RecordEvent : std::uint8_t {
  kSessionOpened = SGW_RECORD_SESSION_OPENED,
  kSessionClosed = SGW_RECORD_SESSION_CLOSED,  // released by its client, expired, ended by an operator: see `reason`
  kSessionLost = SGW_RECORD_SESSION_LOST,
  kOperationStarted = SGW_RECORD_OPERATION_STARTED,
  kOperationEnded = SGW_RECORD_OPERATION_ENDED,
  kCallRefused = SGW_RECORD_CALL_REFUSED,  // by a step, a limit or the dialect: `refused_by` says which
  kCallEnded = SGW_RECORD_CALL_ENDED,
};

// "session_opened" and so on; "unknown" for an event of a newer host.
constexpr std::string_view EventName(RecordEvent event) {
  constexpr std::string_view kNames[] = {"unknown",           "session_opened",  "session_closed", "session_lost",
                                         "operation_started", "operation_ended", "call_refused",   "call_ended"};
  const auto index = static_cast<std::size_t>(event);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

// What happened. Borrowed: copy what is kept. Texts that do not apply are empty and numbers 0. Nothing in it is secret,
// but clients chose some of it: escape what you write.
struct Record {
  RecordEvent event{};
  WallTime time{};
  std::string_view call_id{};
  std::string_view traceparent{};
  std::string_view listener{};
  std::string_view peer_address{};
  std::string_view realm{};
  std::string_view subject{};
  std::string_view user_name{};
  StringViews groups{};
  std::string_view namespace_{};
  std::string_view team{};
  std::string_view environment{};
  std::string_view method{};
  std::string_view session_id{};
  std::string_view operation_id{};
  std::string_view client_type{};  // as the client says it; at most 256 bytes
  std::string_view endpoint{};
  std::string_view lease_id{};
  std::string_view refused_by{};  // instance name of the step, or a word of the core's such as "session"
  std::string_view reason{};
  StatusCode code{};  // of a call or operation that ended
  std::string_view message{};
  std::uint64_t bytes_from_client = 0;
  std::uint64_t bytes_to_client = 0;
  std::chrono::nanoseconds duration{};
  PairViews claims{};
  PairViews labels{};        // of the Route
  std::string_view actor{};  // who acted for the subject
};

// All time series of the process at one moment: `families` in the shape of the C boundary, see sgw_metric_family.
// Borrowed.
struct MetricsSnapshot {
  const sgw_metric_family* families = nullptr;
  std::size_t family_count = 0;

  const sgw_metric_family* begin() const { return families; }
  const sgw_metric_family* end() const { return families + family_count; }
};

}  // namespace sgw
