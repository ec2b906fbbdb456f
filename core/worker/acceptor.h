// Acceptor: listening sockets, and each accepted connection given to the least loaded worker.
//
// One thread of its own. It never stops accepting for good: out of descriptors, it pauses and tries again.
#pragma once

#include <sgw/status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/worker/worker.h"

namespace sgw::core {

// One accepted connection, not yet read from. Whoever gets it owns the descriptor.
struct Accepted {
  int fd = -1;
  std::size_t listener = 0;  // index in the order of Listen()
  std::string peer_address;  // "127.0.0.1:40112", "[::1]:40112" or "unix:"
};

class Acceptor {
 public:
  // Called on the chosen worker.
  using Handler = std::function<void(Worker&, Accepted)>;
  struct Counters {
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> over_limit{0};          // closed at once: `max_connections` were open
    std::atomic<std::uint64_t> out_of_descriptors{0};  // pauses
  };

  Acceptor(WorkerPool& workers, int max_connections, Handler handler);
  ~Acceptor();

  // Binds "host:port", "[v6]:port" or "unix:/path" and listens; port 0 lets the kernel choose. A stale Unix socket is
  // replaced, a live one is not. Before Start(). Returns the bound address in the same form.
  Result<std::string> Listen(const std::string& address);
  void Start();
  // Closes the listening sockets; connections stay. Idempotent.
  void Stop();

  // A connection has gone: the worker's load falls, and so does the number that max_connections bounds. Any thread.
  void Closed(Worker& worker);
  int open_connections() const { return open_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Socket;
  void Wait(Socket& socket);
  void AcceptReady(Socket& socket);

  WorkerPool& workers_;
  const int max_connections_;
  Handler handler_;
  Worker thread_{"acceptor"};
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::atomic<int> open_{0};
  Counters counters_;
  bool is_stopped_ = false;
};

// "127.0.0.1:80", "[::1]:80", "unix:" of a socket's own address (`peer` false) or its peer's.
std::string SocketAddress(int fd, bool peer);

}  // namespace sgw::core
