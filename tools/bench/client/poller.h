// Poller: many connections on one epoll.
#pragma once

#include <memory>
#include <vector>

#include "tools/bench/client/connection.h"

namespace sgw::bench {

class Poller {
 public:
  Poller();
  ~Poller();

  // Opens a connection that lives as long as this object, or until Remove.
  Connection& Open(const Target& target);
  void Remove(Connection& connection);

  // A descriptor that is nobody's connection.
  void Add(int fd);
  // Reads and writes what a connection can now, and lets it wait for the rest.
  void Serve(Connection& connection);
  // Waits for what is ready and serves it. True when `other`, which was added, is readable.
  bool Turn(int other = -1);
  // Opens `count` connections, at most 100 at a time on their way, and waits until all are ready. Throws
  // std::runtime_error when one closes.
  std::vector<Connection*> OpenReady(const Target& target, std::size_t count);

 private:
  struct Watched {
    std::unique_ptr<Connection> connection;
    bool is_writing = false;
  };
  void Watch(int fd, bool is_writing, int operation) const;

  const int epoll_;
  std::vector<Watched> connections_;  // by descriptor
};

}  // namespace sgw::bench
