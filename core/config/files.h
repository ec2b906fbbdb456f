// Files that a configuration consists of or names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sgw::core {

// A relative path starts at the directory; an empty one stays empty.
std::string Absolute(const std::string& path, const std::string& directory);

// All of a file or pipe that holds at most so many bytes. None: `problem` says why, and stays as it was when there are
// more.
std::optional<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes, std::string& problem);

// Writes all of it; it is on the disk when this returns. False: errno has the reason.
bool WriteAll(int fd, std::string_view bytes);

// A name is on the disk when its folder is.
bool SyncFolderOf(const std::string& path);

// Puts this content in the place of a regular file that is there. Whoever opens the path, also after a crash, finds all
// of the old or all of the new; owner, group and mode stay. Of several at once, one is lost: hold a lock. Empty: it is
// done; otherwise why not.
std::string ReplaceFile(const std::string& path, const std::string& content);

}  // namespace sgw::core
