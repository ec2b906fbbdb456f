// FileWatcher: tells when what a path leads to has become something else.
//
// It listens (inotify) at every folder along the path and along each symlink in it, so it sees a file that is written,
// replaced, renamed over, removed or made, a folder that is moved, and Kubernetes' swap of the symlink `..data`; also
// for a path that does not exist yet. It looks every few seconds as well, for file systems that tell nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
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

  explicit FileWatcher(Changed changed);
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  // What happens after this has returned is told. A relative path starts at the working directory.
  void Watch(std::uint64_t id, const std::string& path);
  void Unwatch(std::uint64_t id);

 private:
  using Time = std::chrono::steady_clock::time_point;
  // A name in a folder that the path goes through.
  struct Link {
    int folder = -1;  // inotify's number
    std::string name;
  };
  struct Watched {
    std::string path;
    std::string told;  // how it looked when its owner was last told
    std::vector<Link> links;
    bool is_followed = false;  // links are up to date
    bool is_touched = false;   // somebody wrote to it since
    Time due{};                // when to look and tell, if nothing else happens before; zero: not
  };

  void Run();
  int NextTimeout(Time now) const;
  void ReadEvents(Time now);
  void OnEvent(int folder, std::uint32_t mask, const std::string& name, Time now);
  void Follow(Watched& watched);
  void LookAtAll(Time now);
  std::vector<std::uint64_t> TakeDue(Time now);

  const Changed changed_;
  const int events_;
  const int wake_;
  std::mutex mutex_;  // Guards watched_, folders_ and is_ending_.
  std::map<std::uint64_t, Watched> watched_;
  std::set<int> folders_;
  bool is_ending_ = false;
  std::thread thread_;  // made by the first Watch()
};

}  // namespace sgw::core
