#pragma once

#include <sgw/base.h>
#include <sgw/call.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace sgw {

// Discovery answers one question: which servers serve this route now?
//
// Asked for each new session, after a router has named the namespace, and for each call of a service without sessions.
// An implementation watches its source (a file, DNS, an API server) through the host's timers and watches, and
// publishes whole snapshots (Host::MakeSnapshot); Resolve() gives the newest.
//
// Safe for concurrent use. Resolve() runs on a worker thread and never blocks.
//
// Capability: `static constexpr bool kMaySayNext = false;` for one that never says Next.
class Discovery : public Plugin {
 public:
  // The endpoints of the call's route; the snapshot does not change after it is handed out, so a call may keep it to
  // its end. An empty list is a valid answer ("known, but nothing is ready"); Next says that this source has no such
  // namespace, and lets the following step try.
  virtual DiscoveryAnswer Resolve(const DiscoveryCall& call) = 0;  // EndpointSnapshot, Next, Status or Pending
};

// Whether an endpoint may have this address: host:port, [v6]:port or unix:/path.
inline bool IsAddress(std::string_view text) {
  if (text.starts_with("unix:")) return text.size() > 5;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool is_v6 = host.front() == '[' && host.back() == ']' && host.size() > 2;
  if (!is_v6 && host.find_first_of("[]: /") != std::string_view::npos) return false;
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
  std::uint32_t number = 0;
  for (const char digit : port) number = number * 10 + static_cast<std::uint32_t>(digit - '0');
  return number > 0 && number < 65'536;
}

// Whether a driver can be sent this token behind "Bearer ": at least one character, and only visible ones of ASCII.
inline bool IsToken(std::string_view text) {
  const auto is_visible = [](char c) { return c > ' ' && c <= '~'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_visible);
}

}  // namespace sgw
