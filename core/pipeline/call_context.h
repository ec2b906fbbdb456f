// CallContext: one call as the pipeline sees it: the facts that came with it, and what the steps decided.
#pragma once

#include <sgw/values.h>

#include <memory>
#include <string>

#include "core/pipeline/remembered.h"
#include "core/plugin/call_facts.h"

namespace sgw::core {

// The Route of a call without a router.
inline std::shared_ptr<const Route> NoRoute() {
  static const Route none;
  return {std::shared_ptr<const Route>(), &none};
}

struct CallContext {
  std::shared_ptr<CallFacts> facts = std::make_shared<CallFacts>();
  std::shared_ptr<Remembered> remembered;    // of the call's connection; null: every step is asked
  std::shared_ptr<const Identity> identity;  // after auth; with is_as_claimed until the claim was filled in
  Status only_bound;  // not OK: the identity is good only for the sessions that it has; other calls end with this
  std::shared_ptr<const Route> route = NoRoute();  // after the router; never null
  std::shared_ptr<const Endpoint> home;            // where the call's session lives; null: that is not known
  std::string refused_by;  // instance name of the step that ended the call, or a word of the core's

  // What the client said, once it was read.
  std::string session_id;
  std::string operation_id;
};

// Six hex digits that are unlikely to be seen twice in a day's log; not a secret.
std::string NewCallId();
// The received traceparent when it has the W3C form, else a new one.
std::string TraceParent(std::string_view received);

// Puts the client's word in the place of an as-claimed identity. UNAUTHENTICATED: it said nothing, and no default is
// set. INVALID_ARGUMENT: longer than 256 bytes, not UTF-8, or with control characters.
Status FillClaim(std::shared_ptr<const Identity>& identity, const std::string& claimed_user);

// The user_id that a driver sees: unique across realms, and without a comma, which Spark's job tags cannot have, or
// control characters; these are written as %XX.
std::string StampedUserId(const Identity& identity);

}  // namespace sgw::core
