// The gateway's log: lines on stderr, as text or as JSON.
#pragma once

#include "core/config/config.h"

namespace sgw::core {

// From now on everything that is logged goes there.
void SetUpLog(const LogConfig& config);
// Says the complaints: for a person as they are, for a machine as lines of the log.
void Say(const Complaints& complaints, const LogConfig& config);

}  // namespace sgw::core
