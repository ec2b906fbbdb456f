#pragma once

#include <sgw/base.h>
#include <sgw/call.h>

namespace sgw {

// Authenticator answers one question: who is calling?
//
// Asked for each call. Nothing of a call reaches a router or a server before the answer. An exception, a forgotten
// answer or an Identity without a subject refuses the call; nothing lets it through by mistake.
//
// Safe for concurrent use. Authenticate() runs on a worker thread and never blocks.
//
// Capabilities: `static constexpr bool kMaySayNext = false;` for one that never says Next; `kNeedsCertificates = true`
// for one that is of no use where no listener asks for certificates; `kIsRemembered = true` for one whose answers, Next
// among them, depend on nothing of a call but its credential (`authorization` and `authentication`), its TLS peer and
// the headers in `made_from`: each connection keeps its last Identity, and takes it without asking until the Identity
// expires, ForgetIdentities() is called, or one of these is another.
class Authenticator : public Plugin {
 public:
  // Identity: this is who it is. AsClaimed: take the client's word. Lapsed: good for the sessions that run. Next: this
  // is not my kind of credential, ask the next step; never for a credential of my kind that is wrong. Status: refused,
  // in words that tell the caller what to do; UNAVAILABLE when the credential could not be checked.
  virtual AuthAnswer Authenticate(const AuthCall& call) = 0;  // Identity, AsClaimed, Lapsed, Next, Status or Pending
};

}  // namespace sgw
