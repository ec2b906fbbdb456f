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
  // `on_incident` is told on the acceptor's thread: "over_limit", a connection was closed at once since
  // `max_connections` are open; "out_of_descriptors", a pause.
  Acceptor(WorkerPool& workers, int max_connections, Handler handler,
           std::function<void(const char* reason)> on_incident = {});
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

 private:
  struct Socket;
  void Wait(Socket& socket);
  void AcceptReady(Socket& socket);

  WorkerPool& workers_;
  const int max_connections_;
  Handler handler_;
  const std::function<void(const char*)> on_incident_;
  Worker thread_{"acceptor"};
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::atomic<int> open_{0};
  bool is_stopped_ = false;
};

// Binds and listens as Acceptor::Listen does. The descriptor is the caller's.
Result<int> ListenOn(const std::string& address);
// Makes the way free for a Unix socket: what a killed process left goes. FAILED_PRECONDITION: somebody listens there,
// or it is no socket.
Status MakeWay(const std::string& path);
// "127.0.0.1:80", "[::1]:80", "unix:" of a socket's own address (`peer` false) or its peer's.
std::string SocketAddress(int fd, bool peer);

}  // namespace sgw::core
