#include "core/relay/headers.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/plugin/call_facts.h"

namespace sgw::core {
namespace {

constexpr std::string_view kGrpc = "application/grpc";
constexpr std::string_view kOwnedPrefix = "x-spark-gateway-";

// Of one connection, made anew, or meant for a proxy.
constexpr std::array<std::string_view, 12> kHopByHop = {
    "connection",          "expect",           "host", "http2-settings", "keep-alive",        "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te",   "trailer",        "transfer-encoding", "upgrade"};

// How headers begin that say who is calling, as proxies tell it to servers behind them. configs/README.md has the list.
constexpr std::array<std::string_view, 16> kIdentityPrefixes = {"client-cert",
                                                                "cookie",
                                                                "remote-email",
                                                                "remote-groups",
                                                                "remote-name",
                                                                "remote-user",
                                                                "x-auth-request-",
                                                                "x-authenticated-",
                                                                "x-forwarded-access-token",
                                                                "x-forwarded-client-cert",
                                                                "x-forwarded-email",
                                                                "x-forwarded-groups",
                                                                "x-forwarded-preferred-username",
                                                                "x-forwarded-user",
                                                                "x-remote-",
                                                                "x-spark-"};

// A server that makes variables of headers (CGI, WSGI) takes '_' for '-'.
bool IsSame(std::string_view a, std::string_view b) {
  const auto is_same = [](char x, char y) { return x == y || ((x == '-' || x == '_') && (y == '-' || y == '_')); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), is_same);
}

bool BeginsWith(std::string_view name, std::string_view prefix) {
  return IsSame(name.substr(0, prefix.size()), prefix);
}

bool NamesCaller(std::string_view name) {
  // Nearly all headers of a call are done with here.
  if (!name.starts_with('c') && !name.starts_with('r') && !name.starts_with('x')) return false;
  return std::any_of(kIdentityPrefixes.begin(), kIdentityPrefixes.end(),
                     [name](std::string_view prefix) { return BeginsWith(name, prefix); });
}

bool IsDenied(std::string_view name) {
  return name.starts_with(':') || BeginsWith(name, kOwnedPrefix) || name == "traceparent" ||
         std::find(kHopByHop.begin(), kHopByHop.end(), name) != kHopByHop.end();
}

bool MayEdit(std::string_view name) {
  return !name.empty() && !IsDenied(name) && name != "content-type" && name != "content-length" &&
         !name.starts_with("grpc-");
}

// What HTTP/2 takes (RFC 9113, section 8.2.1).
bool IsLegal(std::string_view name, std::string_view value) {
  const auto is_token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  const auto is_text = [](char c) { return (static_cast<unsigned char>(c) >= ' ' && c != '\x7f') || c == '\t'; };
  return std::all_of(name.begin(), name.end(), is_token) && std::all_of(value.begin(), value.end(), is_text);
}

// Under each name that a server may take for it.
void Remove(std::string_view name, HeaderBlock& head) {
  if (!MayEdit(name)) return;
  head.RemoveIf([name](const HeaderField& field) { return IsSame(field.name, name) && MayEdit(field.name); });
}

void Apply(const HeaderEdits& edits, HeaderBlock& head) {
  for (const std::string& name : edits.remove) Remove(name, head);
  for (const auto& [name, value] : edits.set) Remove(name, head);
  for (const auto& [name, value] : edits.set) {
    if (MayEdit(name) && IsLegal(name, value)) head.Add(name, value);
  }
}

bool IsIn(const std::vector<std::string>* names, std::string_view name) {
  return names && std::any_of(names->begin(), names->end(), [name](const auto& one) { return IsSame(name, one); });
}

}  // namespace

bool IsGrpcPath(std::string_view path) {
  if (path.size() > 1024 || !path.starts_with('/')) return false;
  const auto slash = path.find('/', 1);
  if (slash == std::string_view::npos) return false;
  const auto is_name = [](std::string_view name) {
    return !name.empty() && name != "." && name != ".." && std::all_of(name.begin(), name.end(), [](char c) {
      return c > ' ' && c < '\x7f' && std::string_view("/?#%\\;").find(c) == std::string_view::npos;
    });
  };
  return is_name(path.substr(1, slash - 1)) && is_name(path.substr(slash + 1));
}

std::optional<HttpRefusal> CheckRequest(const HeaderBlock& headers) {
  if (headers.Get(":method") != "POST") {
    return HttpRefusal{"405",
                       "This is a Spark Gateway: it speaks gRPC, which is POST only. Use sc://HOST:PORT with Spark."};
  }
  const std::string_view type = headers.Get("content-type");
  const char next = type.size() > kGrpc.size() ? type[kGrpc.size()] : '+';
  if (!type.starts_with(kGrpc) || (next != '+' && next != ';')) {
    return HttpRefusal{
        "415", "This is a Spark Gateway: it takes content-type application/grpc. Use sc://HOST:PORT with Spark."};
  }
  if (!IsGrpcPath(headers.Get(":path"))) {
    return HttpRefusal{"404", "This is a Spark Gateway: the path of a gRPC call is /package.Service/Method."};
  }
  return std::nullopt;
}

HeaderBlock HttpRefusalHead(const HttpRefusal& refusal, std::size_t text_bytes) {
  HeaderBlock head{{":status", refusal.status},
                   {"content-type", "text/plain; charset=utf-8"},
                   {"content-length", std::to_string(text_bytes)}};
  if (refusal.status == "405") head.Add("allow", "POST");
  return head;
}

bool HasTwoCredentials(const HeaderBlock& headers) {
  std::optional<std::string_view> first;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const HeaderField field = headers[i];
    if (!IsCredential(field.name)) continue;
    if (first && *first != field.value) return true;
    first = field.value;
  }
  return false;
}

HeaderBlock ForwardedHead(const HeaderBlock& received, const ForwardFacts& facts) {
  const bool hides_credentials = facts.has_auth || !facts.endpoint.token.empty();
  const std::string_view address = facts.endpoint.address;
  HeaderBlock head;
  head.Add(":method", "POST");
  head.Add(":scheme", facts.is_tls ? "https" : "http");
  head.Add(":path", received.Get(":path"));
  head.Add(":authority", address.starts_with("unix:") ? std::string_view("localhost") : address);
  head.Add("te", "trailers");
  for (std::size_t i = 0; i < received.size(); ++i) {
    const HeaderField field = received[i];
    if (IsDenied(field.name)) continue;
    if (hides_credentials && IsCredential(field.name)) continue;
    if (facts.has_auth && NamesCaller(field.name)) continue;
    if (facts.is_stamped && field.name == "content-length") continue;
    if (IsIn(facts.identity_headers, field.name) || IsIn(facts.routing_headers, field.name)) continue;
    // It belongs to the trace that the client named.
    if (field.name == "tracestate" && facts.traceparent != received.Get("traceparent")) continue;
    head.Add(field);
  }
  head.Add({"traceparent", facts.traceparent, true});
  if (facts.identity_edits) Apply(*facts.identity_edits, head);
  if (facts.route_edits) Apply(*facts.route_edits, head);
  Apply(facts.endpoint.headers, head);
  if (!facts.endpoint.token.empty() && IsLegal("", facts.endpoint.token.Reveal())) {
    head.Remove("authorization");
    head.Add({"authorization", "Bearer " + facts.endpoint.token.Reveal(), true});
  }
  return head;
}

}  // namespace sgw::core
