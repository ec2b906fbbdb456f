// Loading a configuration: from a file, from text, or from a single address.
#pragma once

#include <optional>
#include <string>

#include "core/config/config.h"

namespace sgw::core {

// Reads the file and checks everything that can be known without plugins: keys, types, the order of the pipeline. Gives
// what could be understood, so that the plugins can be looked at as well: it is a configuration only when `complaints`
// has no errors.
Config ReadConfig(const std::string& path, Complaints& complaints);
// The same of a text; relative paths start at `directory`.
Config ReadConfigText(const std::string& text, const std::string& directory, Complaints& complaints);

// The admin.address of a configuration file, whatever else is in it: who asks a running gateway need not have its
// secrets. None: `complaints` has the reason.
std::optional<std::string> ReadAdminAddress(const std::string& path, Complaints& complaints);

// The text of a configuration for `serve --to ADDRESS`: a listener on loopback, anonymous callers, one driver. ADDRESS
// is host:port or [address]:port.
std::string ConfigTextFor(const std::string& driver_address);

}  // namespace sgw::core
