#include "core/relay/refusal.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "core/connect/status_details.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxMessage = 2000;

StatusCode CodeOfReset(ErrorCode code) {
  switch (code) {
    case ErrorCode::kRefusedStream: return StatusCode::kUnavailable;
    case ErrorCode::kCancel: return StatusCode::kCancelled;
    case ErrorCode::kEnhanceYourCalm: return StatusCode::kResourceExhausted;
    case ErrorCode::kInadequateSecurity: return StatusCode::kPermissionDenied;
    default: return StatusCode::kInternal;
  }
}

Status WithMessage(const Status& status, std::string message) {
  if (status.retry_delay()) return {status.code(), std::move(message), RetryIn(*status.retry_delay())};
  return {status.code(), std::move(message)};
}

}  // namespace

HeaderBlock StatusFields(const Status& status, std::string_view call_id, std::string_view session_id, bool is_head) {
  // However long the message is, its end is the call's id.
  const std::string suffix = " [call " + std::string(call_id) + "]";
  std::size_t size = std::min(status.message().size(), kMaxMessage);
  while (size > 0 && size < status.message().size() && (status.message()[size] & 0xC0) == 0x80) --size;
  const std::string message = status.message().substr(0, size);
  const Status shown = WithMessage(status, message + suffix);
  HeaderBlock fields;
  if (is_head) {
    fields.Add(":status", "200");
    fields.Add("content-type", "application/grpc");
    // Compression is the one reason of ours for UNIMPLEMENTED that the client can cure.
    if (status.code() == StatusCode::kUnimplemented) fields.Add("grpc-accept-encoding", "identity");
  }
  fields.Add("grpc-status", std::to_string(static_cast<int>(shown.code())));
  fields.Add("grpc-message", PercentEncoded(message) + suffix);
  fields.Add("grpc-status-details-bin", StatusDetailsBin(shown, SparkErrorOf(status, session_id)));
  return fields;
}

Status StatusOfClose(const StreamClose& close, std::string_view address) {
  const std::string driver = "The driver " + std::string(address);
  switch (close.reason) {
    case CloseReason::kConnectionLost:
      return Unavailable(driver + " closed the connection before its answer was whole.");
    case CloseReason::kNotProcessed:
      return Unavailable(driver + " takes no more calls on this connection; nothing was processed.");
    case CloseReason::kPeerReset:
      return {CodeOfReset(close.code), driver + " reset the stream: " + std::string(NameOf(close.code)) + "."};
    case CloseReason::kNotSent:
      return Internal("The request could not be sent to the driver " + std::string(address) +
                      ": its headers are too large or not allowed.");
    default:
      return Internal("The stream to the driver " + std::string(address) +
                      " ended early: " + std::string(NameOf(close.code)) + ".");
  }
}

Status RefusedByDriver(std::string_view address, std::string_view why) {
  return FailedPrecondition("The driver " + std::string(address) + " refuses the gateway: " + std::string(why) +
                            ". Nothing is wrong with your own credential: tell whoever runs the gateway.");
}

StatusCode CodeOfTrailers(const HeaderBlock& trailers) {
  const std::string_view text = trailers.Get("grpc-status");
  int code = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc() || end != text.data() + text.size() || code < 0 || code > 16) return StatusCode::kUnknown;
  return static_cast<StatusCode>(code);
}

StatusCode CodeOfHead(const HeaderBlock& head, bool is_end) {
  if (is_end && head.Find("grpc-status")) return CodeOfTrailers(head);
  if (head.Get(":status") == "401") return StatusCode::kUnauthenticated;
  return is_end ? StatusCode::kUnknown : StatusCode::kOk;
}

}  // namespace sgw::core
