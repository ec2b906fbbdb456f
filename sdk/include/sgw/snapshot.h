// EndpointSnapshot: an immutable list of endpoints, counted by the host.
#pragma once

#include <sgw/abi.h>

#include <memory>
#include <utility>

namespace sgw {

// Made by Host::MakeSnapshot(), once per change of the source; an answer with it costs a count. Copies are cheap and
// may be read and dropped on any thread. A default-constructed one is no snapshot and no valid answer (an empty list of
// endpoints is one: MakeSnapshot({})).
class EndpointSnapshot {
 public:
  EndpointSnapshot() = default;
  // For the glue. The deleter gives the count back.
  explicit EndpointSnapshot(std::shared_ptr<sgw_snapshot> handle) : handle_(std::move(handle)) {}

  explicit operator bool() const { return handle_ != nullptr; }
  sgw_snapshot* handle() const { return handle_.get(); }
  friend bool operator==(const EndpointSnapshot&, const EndpointSnapshot&) = default;

 private:
  std::shared_ptr<sgw_snapshot> handle_;
};

}  // namespace sgw
