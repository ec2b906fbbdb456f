// YAML text to Values.
#pragma once

#include <optional>
#include <string>

#include "core/config/complaints.h"

namespace sgw::core {

inline constexpr std::size_t kMaxConfigBytes = 1 << 20;

// Parses one document. Refused with a complaint: more than 1 MiB, anything that is not UTF-8 text, anchors and aliases
// (a few lines of them can stand for gigabytes), duplicate keys, more than 32 levels, keys that are not text. Replaces
// ${env:NAME} and ${file:/path} in scalars and marks these as secret. None: there were errors.
std::optional<Value> ParseYaml(const std::string& text, Complaints& complaints);

}  // namespace sgw::core
