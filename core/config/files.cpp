#include "core/config/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace sgw::core {

std::string Absolute(const std::string& path, const std::string& directory) {
  if (path.empty() || path.front() == '/' || directory.empty()) return path;
  return directory == "/" ? "/" + path : directory + "/" + path;
}

std::optional<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes, std::string& problem) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text(max_bytes + 1, '\0');
  std::size_t size = 0;
  ssize_t got = fd < 0 ? -1 : 1;
  while (got > 0 && size < text.size()) {
    got = read(fd, text.data() + size, text.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) got = 1;
  }
  if (got < 0) problem = std::generic_category().message(errno);
  if (fd >= 0) close(fd);
  if (got < 0 || size > max_bytes) return std::nullopt;
  text.resize(size);
  return text;
}

}  // namespace sgw::core
