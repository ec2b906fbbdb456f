// What comes from the children of a process. For sources of this room.
#pragma once

#include <vector>

namespace sgw::core {

// SIGKILL to every child of this process but the spared ones, and to all that comes from it. False: there was none.
bool KillDescendants(const std::vector<int>& spared);

}  // namespace sgw::core
