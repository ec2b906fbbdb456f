#pragma once

#include <sgw/base.h>
#include <sgw/call.h>

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

}  // namespace sgw
