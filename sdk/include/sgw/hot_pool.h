#pragma once

#include <sgw/base.h>
#include <sgw/call.h>
#include <sgw/values.h>

#include <string>
#include <string_view>

namespace sgw {

// HotPool gives servers away, each to one sharing key until it comes back.
//
// Asked once per sharing key that has no server, by a step that takes only warm ones (call.create() is false) and by
// one that may wait for a new one. Most pools are a Launcher, see <sgw/launcher.h>, and need not write this class.
//
// Safe for concurrent use. Acquire() runs on a worker thread, the others on any thread; none blocks.
//
// Capabilities: `static constexpr bool kCanCreate = true;` for a pool that makes servers on demand, and
// `kMaySayNext = false` for one that never says Next.
class HotPool : public Plugin {
 public:
  // A Lease whose server nobody else has, Next when there is none (or this pool does not serve the route), a Status
  // when making one failed. An answer that nobody waits for any more goes back through Release().
  virtual PoolAnswer Acquire(const PoolCall& call) = 0;  // Lease, Next, Status or Pending

  // Takes a lease back; called exactly once for each that reached the host.
  virtual void Release(std::string_view lease_id, LeaseOutcome outcome) = 0;

  // A lease that an earlier generation or process gave away: is its server still there? From then on it is leased as if
  // given by Acquire(). NOT_FOUND: it is gone.
  virtual void Redeem(std::string lease_id, Completion<Result<Lease>> done) = 0;
};

}  // namespace sgw
