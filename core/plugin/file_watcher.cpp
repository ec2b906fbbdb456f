#include "core/plugin/file_watcher.h"

#include <pthread.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <utility>

#include "core/config/files.h"

namespace sgw::core {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(100);
constexpr std::size_t kMaxRead = 1 << 20;

// Differs when the path leads to another file, or to the same with another content.
std::string LookAt(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return "absent";
  std::string look;
  for (const auto part :
       {static_cast<std::int64_t>(file.st_dev), static_cast<std::int64_t>(file.st_ino),
        static_cast<std::int64_t>(file.st_size), static_cast<std::int64_t>(file.st_mtim.tv_sec),
        static_cast<std::int64_t>(file.st_mtim.tv_nsec), static_cast<std::int64_t>(file.st_ctim.tv_sec),
        static_cast<std::int64_t>(file.st_ctim.tv_nsec)}) {
    look += std::to_string(part) + "/";
  }
  return look;
}

std::size_t ContentOf(const std::string& path) {
  std::string ignored;
  return std::hash<std::string>()(ReadSmallFile(path, kMaxRead, ignored).value_or(""));
}

bool IsJustChanged(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode) && std::time(nullptr) - file.st_ctim.tv_sec <= 2;
}

}  // namespace

FileWatcher::~FileWatcher() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FileWatcher::Watch(std::uint64_t id, const std::string& path) {
  std::error_code ignored;
  Watched watched;
  watched.path = std::filesystem::absolute(path, ignored).string();
  watched.told = watched.seen = LookAt(watched.path);
  if (IsJustChanged(watched.path)) watched.content = ContentOf(watched.path);
  const std::lock_guard lock(mutex_);
  watched_[id] = std::move(watched);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  wake_.notify_all();
}

void FileWatcher::Unwatch(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  watched_.erase(id);
}

void FileWatcher::Run() {
  pthread_setname_np(pthread_self(), "file-watcher");
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    wake_.wait(lock, [this] { return is_ending_ || !watched_.empty(); });
    wake_.wait_for(lock, kLookEvery, [this] { return is_ending_; });
    const std::vector<std::uint64_t> changed = LookAtAll();
    lock.unlock();
    for (const std::uint64_t id : changed) changed_(id);
    lock.lock();
  }
}

std::vector<std::uint64_t> FileWatcher::LookAtAll() {
  std::vector<std::uint64_t> changed;
  for (auto& [id, watched] : watched_) {
    std::string look = LookAt(watched.path);
    const bool is_quiet = look == watched.seen;
    watched.seen = std::move(look);
    if (!is_quiet) continue;
    const auto content = std::exchange(watched.content, {});
    if (watched.seen == watched.told && (!content || *content == ContentOf(watched.path))) continue;
    watched.told = watched.seen;
    changed.push_back(id);
  }
  return changed;
}

}  // namespace sgw::core
