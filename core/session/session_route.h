// SessionRoute: who has a session, where it belongs and by which headers, and what it may have by that. For sources of
// this room.
#pragma once

#include <sgw/values.h>

#include <memory>
#include <utility>

#include "core/session/limits.h"

namespace sgw::core {

// Does not change; sessions of one server that say the same share it.
struct SessionRoute : Route {
  SessionRoute(Route route, std::shared_ptr<const Identity> who, StringMap sent, Limits& limits)
      : Route(std::move(route)),
        identity(std::move(who)),
        routing_headers(std::move(sent)),
        allowance(limits.For(*identity, policy)) {}

  const std::shared_ptr<const Identity> identity;  // as it was when the router was last asked
  const StringMap routing_headers;  // every occurrence of those that the Route was made from, as they were sent
  const Allowance allowance;

  // What is allowed follows from the rest.
  friend bool operator==(const SessionRoute& a, const SessionRoute& b) {
    return static_cast<const Route&>(a) == b && *a.identity == *b.identity && a.routing_headers == b.routing_headers;
  }
};
using RoutePtr = std::shared_ptr<const SessionRoute>;
inline std::shared_ptr<const Allowance> AllowanceOf(const RoutePtr& route) { return {route, &route->allowance}; }

}  // namespace sgw::core
