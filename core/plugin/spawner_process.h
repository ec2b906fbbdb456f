// The other side of Spawner: the small process that makes and ends children. For sources of this room.
#pragma once

#include <string>
#include <vector>

namespace sgw::core {

// Runs until the socket closes; never returns. In the forked process, which has one thread.
[[noreturn]] void RunSpawnerProcess(int socket);

// Messages are fields with a NUL after each: the first says what it is.
//   to it:   "start" id kill_after directory argc argv... envc NAME=value... (with the output's descriptor), "end" id
//   from it: "pid" id pid, "exit" id code signal, "failed" id text
std::string PackFields(const std::vector<std::string>& fields);
std::vector<std::string> UnpackFields(const std::string& message);

}  // namespace sgw::core
