// A configuration with everything that can be known of it before code of a plugin runs, and with the files that
// it names.
#pragma once

#include <string>
#include <vector>

#include "core/config/config.h"
#include "core/plugin/generation.h"

namespace sgw::core {

struct Loaded {
  Config config;
  InspectedPlugins plugins;
};

// As far as it could be understood: it is a configuration only when `complaints` has no errors.
Loaded LoadAll(const std::string& path, Complaints& complaints);
// The configuration of `serve --to ADDRESS`.
Loaded LoadFor(const std::string& driver_address, Complaints& complaints);

// Complains about certificates, keys and authorities that are not good, and about what is to be written and cannot be.
void CheckFiles(const Config& config, Complaints& complaints);

// Where plugins are that came with this binary: beside it in a build tree, or where `cmake --install` puts them.
std::vector<std::string> OwnPluginDirectories();

}  // namespace sgw::core
