// FileWatcher: tells when what a path leads to has become something else.
//
// It looks ten times a second, through every symlink, so it sees a file that is written, replaced, renamed over,
// removed or made, a folder that is moved, and Kubernetes' swap of the symlink `..data`, on every file system; also for
// a path that does not exist yet.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sgw::core {

// Safe for concurrent use.
class FileWatcher {
 public:
  // Called on a thread of the watcher's own, once things have been quiet for 100 ms. It does not wait, and calls
  // nothing of the watcher.
  using Changed = std::function<void(std::uint64_t id)>;

  explicit FileWatcher(Changed changed) : changed_(std::move(changed)) {}
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  // What happens after this has returned is told. A relative path starts at the working directory.
  void Watch(std::uint64_t id, const std::string& path);
  void Unwatch(std::uint64_t id);

 private:
  // Each is how a file looked: which one it is, and when it was last changed.
  struct Watched {
    std::string path;
    std::string told;                    // when its owner was last told
    std::string seen;                    // at the last look
    std::optional<std::size_t> content;  // of one that was just being changed: a clock's tick may hide its next change
  };

  void Run();
  std::vector<std::uint64_t> LookAtAll();

  const Changed changed_;
  std::mutex mutex_;  // Guards watched_ and is_ending_.
  std::condition_variable wake_;
  std::map<std::uint64_t, Watched> watched_;
  bool is_ending_ = false;
  std::thread thread_;  // made by the first Watch()
};

}  // namespace sgw::core
