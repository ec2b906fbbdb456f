// The head of a request on its way to the driver: what is denied never goes on, and everything else does, in its order.
#include "core/relay/headers.h"

#include <algorithm>
#include <set>
#include <vector>

#include "core/plugin/call_facts.h"
#include "tests/fuzz/input.h"

namespace sgw::core {
namespace {

using fuzz::Input;
using fuzz::Require;

// Lines of `name value`, up to an empty one; a pseudo-header's name begins with a colon, as in HTTP/2.
std::vector<std::pair<std::string, std::string>> Lines(Input& input) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (std::string_view line; !(line = input.Until('\n')).empty();) {
    const std::size_t space = std::min(line.find(' '), line.size());
    lines.emplace_back(line.substr(0, space), line.substr(std::min(space + 1, line.size())));
  }
  return lines;
}

HeaderEdits Edits(Input& input) {
  HeaderEdits edits;
  for (auto& [name, value] : Lines(input)) {
    if (value.empty())
      edits.remove.push_back(name);
    else
      edits.set.emplace_back(name, value);
  }
  return edits;
}

std::vector<std::string> Names(Input& input) {
  std::vector<std::string> names;
  for (auto& [name, value] : Lines(input)) names.push_back(name);
  return names;
}

// A server may take '_' for '-'.
std::string Dashed(std::string_view name) {
  std::string dashed(name);
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  return dashed;
}

bool IsAliasOfOne(std::string_view name, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](const auto& one) { return Dashed(one) == Dashed(name); });
}

// What says who is calling, where it is for the gateway to know.
bool SaysWhoCalls(std::string_view name) {
  static const std::vector<std::string_view> prefixes{"x-spark-",
                                                      "x-forwarded-user",
                                                      "x-forwarded-email",
                                                      "x-forwarded-groups",
                                                      "x-forwarded-preferred-username",
                                                      "x-forwarded-access-token",
                                                      "x-forwarded-client-cert",
                                                      "x-remote-",
                                                      "x-auth-request-",
                                                      "x-authenticated-",
                                                      "remote-user",
                                                      "remote-groups",
                                                      "remote-name",
                                                      "remote-email",
                                                      "client-cert",
                                                      "cookie"};
  const std::string dashed = Dashed(name);
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view one) { return dashed.starts_with(one); });
}

// Of one connection (RFC 9110, section 7.6.1), or the gateway's own.
bool IsNeverPassed(std::string_view name) {
  static const std::set<std::string_view> names{
      "connection", "host", "keep-alive", "proxy-authorization", "proxy-connection", "transfer-encoding", "upgrade"};
  return names.count(name) != 0 || Dashed(name).starts_with("x-spark-gateway-");
}

struct Facts {
  explicit Facts(Input& input) {
    const std::uint8_t flags = input.Byte();
    forward.has_auth = flags & 1;
    forward.is_stamped = flags & 2;
    forward.is_tls = flags & 4;
    endpoint.address = (flags & 8) ? "unix:/run/driver" : "driver:15002";
    if (flags & 16) endpoint.token = Secret(std::string(input.Until('\n')));
    received_lines = Lines(input);
    identity_edits = Edits(input);
    route_edits = Edits(input);
    endpoint.headers = Edits(input);
    identity_headers = Names(input);
    routing_headers = Names(input);
    for (const auto& [name, value] : received_lines) received.Add(name, value);
  }

  // Whether an edit may have said this, or have changed what is said under this name.
  bool IsAdded(std::string_view name) const {
    return AnyEdit([&](const std::string& edited) { return edited == name; });
  }
  bool IsEdited(std::string_view name) const {
    return AnyEdit([&](const std::string& edited) { return Dashed(edited) == Dashed(name); });
  }

  template <typename Ask>
  bool AnyEdit(Ask ask) const {
    for (const HeaderEdits* edits : {&identity_edits, &route_edits, &endpoint.headers}) {
      if (std::any_of(edits->remove.begin(), edits->remove.end(), ask)) return true;
      for (const auto& [set, value] : edits->set) {
        if (ask(set)) return true;
      }
    }
    return false;
  }

  std::vector<std::pair<std::string, std::string>> received_lines;
  HeaderBlock received;
  Endpoint endpoint;
  HeaderEdits identity_edits, route_edits;
  std::vector<std::string> identity_headers, routing_headers;
  ForwardFacts forward{.endpoint = endpoint,
                       .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                       .identity_edits = &identity_edits,
                       .route_edits = &route_edits,
                       .identity_headers = &identity_headers,
                       .routing_headers = &routing_headers};
};

// Fields of that name that both heads have must be the same ones.
std::vector<std::string> ValuesOf(const HeaderBlock& head, std::string_view name) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (head[i].name == name) values.emplace_back(head[i].value);
  }
  return values;
}

void CheckForwarded(const Facts& facts, const HeaderBlock& head) {
  static constexpr std::string_view kFirst[] = {":method", ":scheme", ":path", ":authority", "te"};
  for (std::size_t i = 0; i < head.size(); ++i) {
    const std::string_view name = head[i].name, value = head[i].value;
    if (i < std::size(kFirst)) {
      Require(name == kFirst[i], "the head begins with what makes it a gRPC request");
      continue;
    }
    Require(!name.starts_with(':') && name != "te", "nothing else says what the request is");
    Require(!IsNeverPassed(name), "what is denied never goes on");
    const bool is_token = name == "authorization" && value == "Bearer " + facts.endpoint.token.Reveal();
    const bool is_added = is_token || name == "traceparent" || facts.IsAdded(name);
    Require(is_added || (!IsAliasOfOne(name, facts.identity_headers) && !IsAliasOfOne(name, facts.routing_headers)),
            "what an identity or a route was made from does not go on");
    Require(is_added || !facts.forward.has_auth || !SaysWhoCalls(name), "no client says who it is but to the gateway");
    const bool hides = facts.forward.has_auth || !facts.endpoint.token.empty();
    Require(!hides || !IsCredential(name) || is_added, "credentials for the gateway do not go on");
    Require(name != "content-length" || !facts.forward.is_stamped, "a stamped body's length is not promised");
  }
  Require(head.Get(":path") == facts.received.Get(":path") && head.Get(":method") == "POST", "the call is the same");
  Require(ValuesOf(head, "traceparent") == std::vector<std::string>{std::string(facts.forward.traceparent)},
          "one traceparent goes on, ours");
}

// What no rule speaks of is what the client sent.
void CheckKept(const Facts& facts, const HeaderBlock& head) {
  static const std::set<std::string_view> ruled{
      "te", "trailer", "expect", "http2-settings", "proxy-authenticate", "content-length", "traceparent", "tracestate"};
  for (const auto& [name, value] : facts.received_lines) {
    const bool is_ruled = name.starts_with(':') || ruled.count(name) != 0 || IsNeverPassed(name) ||
                          IsCredential(name) || IsAliasOfOne(name, facts.identity_headers) ||
                          IsAliasOfOne(name, facts.routing_headers) || facts.IsEdited(name) ||
                          (facts.forward.has_auth && SaysWhoCalls(name));
    if (!is_ruled) Require(ValuesOf(head, name) == ValuesOf(facts.received, name), "all else goes on as it came");
  }
}

void Check(Input input) {
  const Facts facts(input);
  const HeaderBlock head = ForwardedHead(facts.received, facts.forward);
  CheckForwarded(facts, head);
  CheckKept(facts, head);

  const auto credentials = [&] {
    std::set<std::string> said;
    for (const char* name : {"authorization", "authentication"}) {
      for (std::string& value : ValuesOf(facts.received, name)) said.insert(std::move(value));
    }
    return said.size();
  }();
  Require(HasTwoCredentials(facts.received) == (credentials > 1), "two credentials are seen wherever they stand");
  if (const auto refusal = CheckRequest(facts.received)) {
    Require(HttpRefusalHead(*refusal, refusal->text.size()).Get(":status") == refusal->status,
            "a refusal has a status");
  } else {
    Require(IsGrpcPath(head.Get(":path")), "the path of a call is fit for records");
  }
}

}  // namespace
}  // namespace sgw::core

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::core::Check({data, size});
  return 0;
}
