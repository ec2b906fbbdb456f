// ${env:NAME} and ${file:PATH} in the values of a configuration. For sources of this room.
#pragma once

#include <string>

#include "core/config/complaints.h"

namespace sgw::core {

// Replaces the references of a scalar and marks it as secret; a relative path starts at `directory`. One that leads
// nowhere is complained about and leaves the value broken.
void ReplaceReferences(Value& value, const std::string& directory, Complaints& complaints);

}  // namespace sgw::core
