// How the gateway says no: a Status as the response of a gRPC call, and the Status for what happened to a stream.
#pragma once

#include <sgw/status.h>

#include <string_view>

#include "core/http2/header_block.h"
#include "core/http2/stream.h"

namespace sgw::core {

// The fields grpc-status, grpc-message and grpc-status-details-bin; "[call <id>]" ends the message. With `is_head`
// they are a whole response, a trailers-only one.
HeaderBlock StatusFields(const Status& status, std::string_view call_id, std::string_view session_id, bool is_head);

// Why a stream to a driver ended before its response did. UNAVAILABLE when the connection was lost; for a reset, what
// gRPC's HTTP/2 mapping says of its code. Never DEADLINE_EXCEEDED: clients would loop.
Status StatusOfClose(const StreamClose& close, std::string_view address);

// A driver lets the gateway in neither without a token nor with the one that it has: for the caller, who can do nothing
// about it. The driver's own words would read as if they were about the caller's credential.
Status RefusedByDriver(std::string_view address, std::string_view why);

// The code in a response's trailers; UNKNOWN when it is missing or no number of gRPC's.
StatusCode CodeOfTrailers(const HeaderBlock& trailers);
// What the head of a response says: OK when more is to come. A proxy before a driver may refuse in HTTP's terms.
StatusCode CodeOfHead(const HeaderBlock& head, bool is_end);

}  // namespace sgw::core
