// Files that a configuration consists of or names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace sgw::core {

// A relative path starts at the directory; an empty one stays empty.
std::string Absolute(const std::string& path, const std::string& directory);

// All of a file or pipe that holds at most so many bytes. None: `problem` says why, and stays as it was when there are
// more.
std::optional<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes, std::string& problem);

}  // namespace sgw::core
