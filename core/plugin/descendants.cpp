#include "core/plugin/descendants.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

namespace sgw::core {
namespace {

// The parent of a process, 0 when it has gone. /proc/<pid>/stat: pid (name) state parent ...; the name may have blanks
// and parentheses.
int ParentOf(int pid) {
  char stat[512];
  const int fd = open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = read(fd, stat, sizeof(stat));
  close(fd);
  const std::string text(stat, size > 0 ? static_cast<std::size_t>(size) : 0);
  const auto name_end = text.rfind(')');
  return name_end == std::string::npos || text.size() < name_end + 5 ? 0 : std::atoi(text.c_str() + name_end + 4);
}

}  // namespace

bool KillDescendants(const std::vector<int>& spared) {
  std::multimap<int, int> children;  // by parent
  DIR* const proc = opendir("/proc");
  if (!proc) return false;
  while (const dirent* entry = readdir(proc)) {
    if (const int pid = std::atoi(entry->d_name); pid > 1) children.emplace(ParentOf(pid), pid);
  }
  closedir(proc);
  std::vector<int> found;
  const auto find_from = [&](int parent) {
    const auto [first, last] = children.equal_range(parent);
    for (auto at = first; at != last; ++at) {
      if (std::count(spared.begin(), spared.end(), at->second) == 0) found.push_back(at->second);
    }
    children.erase(first, last);
  };
  find_from(getpid());
  for (std::size_t i = 0; i < found.size(); ++i) find_from(found[i]);
  for (const int pid : found) kill(pid, SIGKILL);
  return !found.empty();
}

}  // namespace sgw::core
