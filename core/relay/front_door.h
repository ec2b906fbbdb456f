// FrontDoor: the listeners, and the connections that clients opened through them.
#pragma once

#include <sgw/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/http2/server_connection.h"
#include "core/relay/relay.h"
#include "core/relay/spells.h"
#include "core/worker/acceptor.h"

namespace sgw::core {

class FrontDoor {
 public:
  struct Listener {
    std::string name;
    std::string address;                   // "host:port", "[v6]:port", "unix:/path"
    std::shared_ptr<const TlsSource> tls;  // null: plain
  };

  // Before the workers start; what it is given outlives it.
  FrontDoor(WorkerPool& workers, Relay& relay, ConnectionOptions options, int max_connections);
  // After the workers have stopped.
  ~FrontDoor();

  // The bound address. Before Start().
  Result<std::string> Listen(Listener listener);
  // Begins to accept.
  void Start();
  // Accepts no more, and asks every client to open no new streams here. Any thread.
  void Drain();
  // Closes every connection. Any thread.
  void Close();

  int open_connections() const { return acceptor_.open_connections(); }

 private:
  struct PerWorker {
    Worker* worker;
    std::unordered_map<ServerConnection*, std::shared_ptr<ServerConnection>> connections;
  };

  void Accept(Worker& worker, Accepted accepted);
  void Note(const char* reason);
  void EndAll(void (ServerConnection::*end)());

  Relay& relay_;
  ConnectionOptions options_;
  std::vector<Listener> listeners_;
  std::vector<PerWorker> per_worker_;
  std::atomic<bool> is_draining_{false};
  std::mutex mutex_;  // Guards spells_.
  Spells spells_;
  Acceptor acceptor_;
};

}  // namespace sgw::core
