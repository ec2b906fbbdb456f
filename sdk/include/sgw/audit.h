#pragma once

#include <sgw/base.h>
#include <sgw/record.h>

namespace sgw {

// Audit is told what happened to sessions, operations and calls.
//
// Safe for concurrent use; both functions run on worker threads and never block. (The event type is called Record, so
// that the function that is told is Write.)
//
// Capability: `static constexpr bool kAdmits = true;` for an audit that gives a verdict when an operation starts.
class Audit : public Plugin {
 public:
  // Keeps a copy of what it needs and returns.
  virtual void Write(const Record& record) = 0;
  // May this operation start? Anything but OK refuses it with that status. Asked only with the capability, before its
  // plan goes to the server; what a client says behind a plan of over 32 KiB (operation_id, client_type) is empty here,
  // and is in the record of the start, which is written when all of the message has come.
  virtual void Admit(const Record& record, Completion<Status> done) {
    static_cast<void>(record);
    done(Status());
  }
};

}  // namespace sgw
