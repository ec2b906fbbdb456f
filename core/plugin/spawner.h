// Spawner: child processes that never outlive the gateway, however it ends.
//
// A small process is forked before any thread exists. It makes the children, in groups of their own with all other
// descriptors closed, each with a keeper: a process that is the subreaper of what comes from the child. When the child
// has ended, or the gateway, or the small process itself, the keeper kills the child's group and then whatever was
// reparented to it, until nothing is left. PR_SET_PDEATHSIG on the children would not do: it fires when the forking
// thread ends, and leaves grandchildren alone.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sgw::core {

struct ChildStart {
  std::vector<std::string> argv{};
  std::vector<std::string> withheld{};                             // variables of our own that it does not inherit
  std::vector<std::pair<std::string, std::string>> environment{};  // added to what it inherits
  std::string working_directory{};
  std::string output_path{};
  std::uint32_t kill_after_ms = 5000;
};

struct ChildEnd {
  int exit_code = -1;  // -1: ended by a signal, or never ran
  int signal = 0;
  std::string error;
};

class Spawner {
 public:
  // Forks the process. Before any thread is made.
  static std::unique_ptr<Spawner> Fork();
  // Ends every child and waits for the process, unless it hangs.
  ~Spawner();

  struct Events {
    std::function<void(std::string line)> on_line;  // on the spawner's own thread
    std::function<void(ChildEnd)> on_end;           // once, the last
  };
  // Starts a child; `on_end` says why it could not be. Any thread.
  void Start(std::uint64_t id, const ChildStart& start, Events events);
  // SIGTERM to the child's group, SIGKILL after its kill_after, then SIGKILL to all that it leaves behind. Any thread.
  void End(std::uint64_t id);
  // 0 while unknown and after it has ended. Any thread.
  pid_t PidOf(std::uint64_t id);

  pid_t process() const { return process_; }

 private:
  struct Child;
  Spawner(int socket, pid_t process);
  void Read();
  void OnMessage(const std::string& message);
  void OnProcessGone();
  // The child is out of the list: nobody else tells its end.
  std::shared_ptr<Child> Take(std::uint64_t id);
  static void OnOutput(Child& child);

  const int socket_;
  const pid_t process_;
  int wake_[2] = {-1, -1};
  std::mutex mutex_;  // Guards children_.
  std::map<std::uint64_t, std::shared_ptr<Child>> children_;
  std::atomic<bool> is_ending_{false};
  std::thread reader_;
};

}  // namespace sgw::core
