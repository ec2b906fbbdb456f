// The keeper: the process between the spawner and one child. For sources of this room.
//
// It is the subreaper of all that comes from the child, and so can end that too when the child has ended: also what
// left the child's group and session, as PySpark's worker daemon does. It ends everything at once when the gateway
// closes the socket or the spawner dies.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace sgw::core {

struct KeptChild {
  std::string id;
  std::chrono::milliseconds kill_after{};
  std::string directory;
  std::vector<std::string> argv;
  std::vector<std::string> withheld;  // variables that it does not inherit
  std::vector<std::string> environment;
};

// Starts the child and tells the gateway, through `socket`, what becomes of it. Exits with 0 when nothing is left.
// SIGTERM asks the child to end, with SIGKILL after its kill_after. In a process that `spawner` has just forked, with
// one thread and signals blocked.
[[noreturn]] void RunKeeper(const KeptChild& child, int socket, int output, int spawner) noexcept;

}  // namespace sgw::core
