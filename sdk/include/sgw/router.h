#pragma once

#include <sgw/base.h>
#include <sgw/call.h>

namespace sgw {

// Router answers one question: where does this caller's session belong, and under which policy?
//
// Asked for each new session, for a known one when its identity's groups or actor changed or some time has passed, and
// for each call of a service without sessions. The Route names the request headers that it was made from: those are
// kept with the session, and it is asked with the same ones again.
//
// Safe for concurrent use. Decide() runs on a worker thread and never blocks.
//
// Capability: `static constexpr bool kMaySayNext = false;` for one that never says Next.
class Router : public Plugin {
 public:
  // PERMISSION_DENIED for a place that the identity may not use; INVALID_ARGUMENT, with the URL to write, when the
  // caller has to say more.
  virtual RouterAnswer Decide(const RouterCall& call) = 0;  // Route, Next, Status or Pending
};

}  // namespace sgw
