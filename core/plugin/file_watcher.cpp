#include "core/plugin/file_watcher.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <deque>
#include <filesystem>
#include <utility>

namespace sgw::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kQuiet = milliseconds(100);
constexpr auto kLookEvery = milliseconds(2'000);
constexpr int kMaxSymlinks = 40;
constexpr std::uint32_t kWritten = IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kMask = kWritten | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// Differs when the path leads to another file, or to the same with another content.
std::string LookAt(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return "absent";
  std::string look;
  for (const auto part :
       {static_cast<std::int64_t>(found.st_dev), static_cast<std::int64_t>(found.st_ino),
        static_cast<std::int64_t>(found.st_size), static_cast<std::int64_t>(found.st_mtim.tv_sec),
        static_cast<std::int64_t>(found.st_mtim.tv_nsec), static_cast<std::int64_t>(found.st_ctim.tv_sec),
        static_cast<std::int64_t>(found.st_ctim.tv_nsec)}) {
    look += std::to_string(part) + "/";
  }
  return look;
}

// Puts the names of a path before what is still to be walked.
void PutBefore(const std::string& path, std::deque<std::string>& names) {
  std::vector<std::string> parts;
  for (const auto& part : std::filesystem::path(path).relative_path()) parts.push_back(part.string());
  names.insert(names.begin(), parts.begin(), parts.end());
}

std::string ReadLink(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

FileWatcher::FileWatcher(Changed changed)
    : changed_(std::move(changed)),
      events_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

FileWatcher::~FileWatcher() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  eventfd_write(wake_, 1);
  if (thread_.joinable()) thread_.join();
  if (events_ >= 0) close(events_);
  close(wake_);
}

void FileWatcher::Watch(std::uint64_t id, const std::string& path) {
  std::error_code ignored;
  const std::string absolute = std::filesystem::absolute(path, ignored).string();
  const std::lock_guard lock(mutex_);
  ReadEvents(steady_clock::now());  // what happened before is for the others
  Watched& watched = watched_[id];
  watched.path = absolute;
  // Listens before it looks, so that nothing falls between the two.
  Follow(watched);
  watched.told = LookAt(absolute);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  eventfd_write(wake_, 1);
}

void FileWatcher::Unwatch(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  watched_.erase(id);
}

void FileWatcher::Run() {
  pthread_setname_np(pthread_self(), "file-watcher");
  Time next_look = steady_clock::now() + kLookEvery;
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    const Time now = steady_clock::now();
    for (auto& [id, watched] : watched_) {
      if (watched.is_followed) continue;
      Follow(watched);
      if (LookAt(watched.path) != watched.told && watched.due == Time{}) watched.due = now + kQuiet;
    }
    if (now >= next_look) {
      LookAtAll(now);
      next_look = now + kLookEvery;
    }
    const std::vector<std::uint64_t> due = TakeDue(now);
    const int timeout = NextTimeout(now);
    lock.unlock();
    for (const std::uint64_t id : due) changed_(id);
    pollfd polled[2] = {{wake_, POLLIN, 0}, {events_, POLLIN, 0}};
    poll(polled, 2, timeout);
    eventfd_t ignored;
    eventfd_read(wake_, &ignored);
    lock.lock();
    ReadEvents(steady_clock::now());
  }
}

int FileWatcher::NextTimeout(Time now) const {
  if (watched_.empty()) return -1;
  Time next = now + kLookEvery;
  for (const auto& [id, watched] : watched_) {
    if (watched.due != Time{}) next = std::min(next, watched.due);
  }
  return static_cast<int>(
      std::chrono::ceil<milliseconds>(std::max(next - now, steady_clock::duration::zero())).count());
}

void FileWatcher::ReadEvents(Time now) {
  alignas(inotify_event) char bytes[16 * 1024];
  while (true) {
    const ssize_t size = read(events_, bytes, sizeof(bytes));
    if (size <= 0) return;
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, bytes + at, sizeof(event));
      const char* const name = bytes + at + sizeof(event);
      OnEvent(event.wd, event.mask, event.len > 0 ? name : "", now);
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
  }
}

void FileWatcher::OnEvent(int folder, std::uint32_t mask, const std::string& name, Time now) {
  if (mask & IN_IGNORED) folders_.erase(folder);
  for (auto& [id, watched] : watched_) {
    for (std::size_t i = 0; i < watched.links.size(); ++i) {
      const Link& link = watched.links[i];
      const bool is_last = i + 1 == watched.links.size();
      const bool is_about = (mask & IN_Q_OVERFLOW) || (link.folder == folder && (name.empty() || link.name == name));
      if (!is_about) continue;
      // Writing to a file changes no way; everything else may.
      if (!is_last || !(mask & (IN_MODIFY | IN_CLOSE_WRITE))) watched.is_followed = false;
      if (is_last && (mask & kWritten)) watched.is_touched = true;
      watched.due = now + kQuiet;
    }
  }
}

// Walks the path, through every symlink, and listens at each folder before it looks into it.
void FileWatcher::Follow(Watched& watched) {
  watched.links.clear();
  watched.is_followed = true;
  std::deque<std::string> names;
  PutBefore(watched.path, names);
  std::string folder = "/";
  for (int symlinks = 0; !names.empty() && symlinks < kMaxSymlinks;) {
    const std::string name = names.front();
    names.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      folder = std::filesystem::path(folder).parent_path().string();
      continue;
    }
    const int number = inotify_add_watch(events_, folder.c_str(), kMask);
    if (number >= 0) folders_.insert(number);
    watched.links.push_back({number, name});
    const std::string path = folder == "/" ? "/" + name : folder + "/" + name;
    struct stat found {};
    if (lstat(path.c_str(), &found) != 0) break;
    if (S_ISLNK(found.st_mode)) {
      ++symlinks;
      const std::string target = ReadLink(path);
      if (target.substr(0, 1) == "/") folder = "/";
      PutBefore(target, names);
    } else {
      folder = path;
    }
  }
  std::set<int> needed;
  for (const auto& [id, other] : watched_) {
    for (const Link& link : other.links) needed.insert(link.folder);
  }
  for (auto at = folders_.begin(); at != folders_.end();) {
    if (needed.count(*at) > 0) {
      ++at;
    } else {
      inotify_rm_watch(events_, *at);
      at = folders_.erase(at);
    }
  }
}

void FileWatcher::LookAtAll(Time now) {
  for (auto& [id, watched] : watched_) {
    if (watched.due != Time{} || LookAt(watched.path) == watched.told) continue;
    watched.is_followed = false;
    watched.due = now + kQuiet;
  }
}

std::vector<std::uint64_t> FileWatcher::TakeDue(Time now) {
  std::vector<std::uint64_t> due;
  for (auto& [id, watched] : watched_) {
    if (watched.due == Time{} || watched.due > now) continue;
    watched.due = {};
    std::string look = LookAt(watched.path);
    if (!std::exchange(watched.is_touched, false) && look == watched.told) continue;
    watched.told = std::move(look);
    due.push_back(id);
  }
  return due;
}

}  // namespace sgw::core
