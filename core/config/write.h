// The effective configuration: what a gateway works with, in the shape of its file.
#pragma once

#include <map>
#include <string>

#include "core/config/config.h"

namespace sgw::core {

// Every key with its value, defaults filled in. `settings` has those of the plugins, by their names.
Value WriteConfig(const Config& config, const std::map<std::string, Value>& settings);

}  // namespace sgw::core
