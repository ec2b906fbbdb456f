// Inspection of a plugin file before any of its code runs.
#pragma once

#include <sgw/status.h>

#include <string>
#include <vector>

#include "core/config/config.h"
#include "core/config/schema.h"

namespace sgw::core {

// What the tag in the file says of it; <sgw/abi.h> has its form at SGW_TAG_MAGIC.
struct Tag {
  std::string name;
  StepKind kind = StepKind::kAuth;
  std::int64_t abi_major = 0;
  std::int64_t abi_minor = 0;
  std::string sdk;
  std::string sanitizer;
  std::vector<std::string> capabilities;
  std::vector<SettingSchema> settings;

  bool has(std::string_view capability) const;
};

// Reads an ELF image, which may be anything at all. The message of a refusal is what it has, what was wanted and what
// to do; the caller puts the file before it.
Result<Tag> Inspect(std::string_view image);

// "address", "thread" or "": what this binary was built with.
const char* OwnSanitizer();

}  // namespace sgw::core
