#include "core/config/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace sgw::core {
namespace {

std::string Why(const std::string& what) { return what + ": " + std::generic_category().message(errno); }

}  // namespace

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return fdatasync(fd) == 0;
}

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

bool SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return true;                                   // it may be written and not read
  const bool is_synced = fsync(fd) == 0 || errno == EINVAL;  // not every file system can
  close(fd);
  return is_synced;
}

std::string ReplaceFile(const std::string& path, const std::string& content) {
  struct stat old {};
  if (stat(path.c_str(), &old) != 0) return Why("cannot find " + path);
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());  // of somebody who did not come to an end
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return Why("cannot make " + fresh);
  std::string problem;
  if (fchown(fd, old.st_uid, old.st_gid) != 0 || fchmod(fd, old.st_mode & 07777) != 0) {
    problem = Why("cannot keep the owner and mode of " + path);
  } else if (!WriteAll(fd, content)) {
    problem = Why("cannot write " + fresh);
  } else if (rename(fresh.c_str(), path.c_str()) != 0) {
    problem = Why("cannot replace " + path);
  } else if (!SyncFolderOf(path)) {
    problem = Why("cannot bring " + path + " to the disk");
  }
  close(fd);
  if (!problem.empty()) unlink(fresh.c_str());
  return problem;
}

}  // namespace sgw::core
