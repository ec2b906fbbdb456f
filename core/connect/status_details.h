// How a Status goes to a gRPC client: trailers that a Spark client shows to its user as one clear sentence.
//
// PySpark shows status.message only when grpc-status-details-bin is there, so every refusal carries it
// (google.rpc.Status, with ErrorInfo and RetryInfo of google/rpc/error_details.proto).
#pragma once

#include <sgw/status.h>

#include <string>
#include <string_view>

namespace sgw::core {

// A refusal that Spark clients know by its error class; empty for one that they do not.
struct SparkError {
  std::string error_class;  // "INVALID_HANDLE.SESSION_CHANGED"
  std::string handle;       // the session's id
};

// The session's server is gone, or another one: INTERNAL, and the client knows that its session cannot come back.
Status SessionChanged(const std::string& what_happened);
// The session was ended on purpose: released, expired, ended by an operator.
Status SessionClosed(const std::string& what_happened);
// The error class that such a Status is to be sent with; known by its message's beginning.
SparkError SparkErrorOf(const Status& status, std::string_view session_id);

// google.rpc.Status in the form of a -bin header: base64 without padding. Messages are cut at 2,048 bytes, so that the
// trailers stay below the 8 KiB that clients take.
std::string StatusDetailsBin(const Status& status, const SparkError& error = {});
// grpc-message: percent-encoded, cut on a character's boundary at 2,048 bytes, or at 3,072 when encoded.
std::string PercentEncoded(std::string_view message);

// An unframed-to-framed empty success of a no-op method: session_id in the field in which the method's reply has it.
std::string EmptyReply(unsigned session_field, std::string_view session_id);

}  // namespace sgw::core
