// YAML text to Values.
#pragma once

#include <optional>
#include <string>

#include "core/config/complaints.h"

namespace sgw::core {

inline constexpr std::size_t kMaxConfigBytes = 1 << 20;

struct YamlRules {
  std::size_t max_bytes = kMaxConfigBytes;
  bool has_references = true;
};

// Parses a text of one document. Complained about: more than max_bytes, anything that is not UTF-8 text, a second
// document, anchors and aliases (a few lines of them can stand for gigabytes), tags, duplicate keys, more than 32
// levels, keys that are not text. Where there are references, replaces ${env:NAME} and ${file:PATH} in scalars and
// marks these as secret; a relative PATH starts at `directory`. What has a complaint of its own is broken, the rest is
// as written. None: this is no YAML.
std::optional<Value> ParseYaml(const std::string& text, const std::string& directory, Complaints& complaints,
                               const YamlRules& rules = {});

}  // namespace sgw::core
