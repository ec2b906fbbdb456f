// SettingSchema: what a plugin's tag says of its settings, and the check of a configuration against it.
#pragma once

#include <sgw/json.h>

#include <map>
#include <string>
#include <vector>

#include "core/config/complaints.h"

namespace sgw::core {

// One setting; its shape in a tag stands in <sgw/abi.h> at SGW_TAG_MAGIC.
struct SettingSchema {
  enum class Type : std::uint8_t { kBool, kInteger, kNumber, kString, kSecret, kDuration, kSize, kList, kMap, kObject };

  std::string name;
  Type type = Type::kString;
  bool is_required = false;
  std::string default_text;
  bool has_default = false;
  std::string doc;
  std::vector<SettingSchema> nested;  // list and map: the one of their elements; object: its settings
};

// Reads the "settings" of a tag. INVALID_ARGUMENT: not of that shape.
Result<std::vector<SettingSchema>> ReadSchema(const Json& settings);

struct CheckedSettings {
  std::string json;  // for the plugin: durations in ms, sizes in bytes
  Value effective;   // for operators: as written, defaults filled in, of secrets only a reference
  // By the JSON pointer of a setting that is read from a file: the file.
  std::map<std::string, std::string> secret_files{};
  std::vector<std::string> secrets{};  // what references gave, and the values of secret settings
};

// Complains about what does not fit: unknown settings (with the nearest valid one), wrong types, missing ones. Relative
// to `where`, a word for the plugin such as "plugins.warm".
CheckedSettings CheckSettings(const Value& settings, const std::vector<SettingSchema>& schema, const std::string& where,
                              Complaints& complaints);

}  // namespace sgw::core
