// A configuration with everything that can be known of it before code of a plugin runs.
#pragma once

#include <optional>
#include <string>

#include "core/config/config.h"
#include "core/plugin/generation.h"

namespace sgw::core {

struct Loaded {
  Config config;
  InspectedPlugins plugins;
};

// Prints all complaints to stderr. None: there were errors.
std::optional<Loaded> LoadAll(const std::string& path);
// The configuration of `serve --to ADDRESS`.
std::optional<Loaded> LoadFor(const std::string& driver_address);

// Where plugins are that came with this binary: beside it in a build tree, or where `cmake --install` puts them.
std::vector<std::string> OwnPluginDirectories();

}  // namespace sgw::core
