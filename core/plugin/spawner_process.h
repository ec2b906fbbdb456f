// The other side of Spawner: the small process that makes children and their keepers. For sources of this room.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sgw::core {

// Runs until the socket closes and nothing is left; never returns. In the forked process, which has one thread.
[[noreturn]] void RunSpawnerProcess(int socket);

// Messages are fields with a NUL after each: the first says what it is.
//   to it:   "start" id kill_after directory argc argv... withheldc NAME... envc NAME=value...
//            (with the output's descriptor), "end" id
//   from it: "pid" id pid, "exit" id code signal, "failed" id text
// No field has a NUL, and no message is longer than kMaxMessage.
constexpr std::size_t kMaxMessage = 256 * 1024;
std::string PackFields(const std::vector<std::string>& fields);
std::vector<std::string> UnpackFields(const std::string& message);
void SendFields(int socket, const std::vector<std::string>& fields);

// Closes all descriptors from this one on.
void CloseFrom(int first);

}  // namespace sgw::core
