// Loading a configuration: from a file, from text, or from a single address.
#pragma once

#include <optional>
#include <string>

#include "core/config/config.h"

namespace sgw::core {

// Reads the file and checks everything that can be known without plugins: keys, types, the order of the pipeline. None:
// there were errors, and `complaints` has all of them. Warnings alone do not stop it.
std::optional<Config> LoadConfig(const std::string& path, Complaints& complaints);
// `directory` is where relative paths start.
std::optional<Config> ParseConfig(const std::string& text, const std::string& directory, Complaints& complaints);

// The text of a configuration for `serve --to ADDRESS`: a listener on loopback, anonymous callers, one driver.
std::string ConfigTextFor(const std::string& driver_address);

}  // namespace sgw::core
