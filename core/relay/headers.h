// Which request headers are taken, and which go on to the driver.
#pragma once

#include <sgw/values.h>

#include <optional>
#include <string_view>

#include "core/http2/header_block.h"

namespace sgw::core {

// The answer to a request that is not gRPC: in HTTP's terms, for a person with a browser or curl.
struct HttpRefusal {
  std::string_view status;
  std::string_view text;
};

// Why the head of a request is not one of gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): not a
// POST, another content-type, a path that is not /service/method. A missing `te: trailers` is forgiven: the driver gets
// ours.
std::optional<HttpRefusal> CheckRequest(const HeaderBlock& headers);
// The head of that answer; its text follows, of that many bytes.
HeaderBlock HttpRefusalHead(const HttpRefusal& refusal, std::size_t text_bytes);

// Whether `authorization` and `authentication` say two different things: no two readers of such a call could be sure to
// see the same caller.
bool HasTwoCredentials(const HeaderBlock& headers);

// What is known of a call when its head goes to the driver.
struct ForwardFacts {
  const Endpoint& endpoint;
  std::string_view traceparent;
  bool has_auth = false;    // who is calling was for us to find out: credentials and claims of it do not go on
  bool is_stamped = false;  // the body's length changes
  bool is_tls = false;      // on the way to the driver
  const HeaderEdits* identity_edits = nullptr;
  const HeaderEdits* route_edits = nullptr;
  const std::vector<std::string>* identity_headers = nullptr;  // they do not go on, also spelled with '_'
  const std::vector<std::string>* routing_headers = nullptr;   // nor do these
};

// The head for the driver: everything that the client sent but what is denied: what is of one connection or the
// gateway's own, and, where callers are known, what says who they are (configs/README.md has the list). :authority is
// the endpoint's address, since a driver behind a virtual host is found by its own name; "localhost" for a Unix socket.
// The edits of the identity, the route and the endpoint follow in this order; none of them can touch what makes the
// request a gRPC one, and what HTTP/2 does not take is left out.
HeaderBlock ForwardedHead(const HeaderBlock& received, const ForwardFacts& facts);

// A :path is /package.Service/Method, with parts that are fit for records and metrics: printable, bounded. One of which
// a driver might make another service's than is read here (by dots, escapes, empty parts) is none.
bool IsGrpcPath(std::string_view path);

}  // namespace sgw::core
