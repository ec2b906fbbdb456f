// The pipeline's steps, and the orders of them that cannot work. For sources of this room.
#pragma once

#include "core/config/config.h"

namespace sgw::core {

// Reads `pipeline:` into config.pipeline and complains about unknown kinds and instances, two routers, a router before
// auth, nothing that yields an endpoint, no auth on a listener that is not open, and plugins that no step uses.
void ReadPipeline(const Value& list, Config& config, Complaints& complaints);

}  // namespace sgw::core
