#include "core/plugin/services.h"

#include <sys/stat.h>

namespace sgw::core {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(100);

// Everything that changes when the file that a path leads to becomes another one or has other content.
std::string LookAt(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return "absent";
  return std::to_string(found.st_dev) + "/" + std::to_string(found.st_ino) + "/" + std::to_string(found.st_size) + "/" +
         std::to_string(found.st_mtim.tv_sec) + "." + std::to_string(found.st_mtim.tv_nsec) + "/" +
         std::to_string(found.st_ctim.tv_sec) + "." + std::to_string(found.st_ctim.tv_nsec);
}

}  // namespace

BlockingPool::BlockingPool(std::size_t threads, std::size_t max_queued) : max_queued_(max_queued) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool BlockingPool::Run(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (is_ending_ || queue_.size() >= max_queued_) return false;
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void BlockingPool::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Task task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    task();
    task = {};
    lock.lock();
  }
}

void FileWatcher::Watch(std::uint64_t id, std::string path, std::function<void()> changed) {
  std::string seen = LookAt(path);
  watched_[id] = {std::move(path), seen, seen, std::move(changed)};
  if (!next_.is_pending()) next_ = control_.StartTimer(kLookEvery, [this] { Look(); });
}

void FileWatcher::Unwatch(std::uint64_t id) { watched_.erase(id); }

void FileWatcher::Look() {
  std::vector<std::uint64_t> changed;
  for (auto& [id, watched] : watched_) {
    const std::string now = LookAt(watched.path);
    // Told when it has been quiet for a look: a file that is being written is not read half.
    if (now == watched.current && now != watched.seen) {
      watched.seen = now;
      changed.push_back(id);
    }
    watched.current = now;
  }
  if (!watched_.empty()) next_ = control_.StartTimer(kLookEvery, [this] { Look(); });
  for (const std::uint64_t id : changed) {
    const auto at = watched_.find(id);
    if (at == watched_.end()) continue;
    const auto tell = at->second.changed;
    tell();
  }
}

HostServices::HostServices(MetricsRegistry& registry, Worker& control_worker, Spawner* child_spawner)
    : metrics(registry), control(control_worker), spawner(child_spawner), asks(registry), files(control_worker) {}

}  // namespace sgw::core
