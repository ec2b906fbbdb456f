#include "core/relay/front_door.h"

#include <spdlog/spdlog.h>

namespace sgw::core {
namespace {

// What it means to an operator, and what can be done about it. Null: one client's own mistake, that only metrics count.
const char* CureOf(std::string_view reason) {
  if (reason == "tls_on_plain_port") {
    return "a client speaks TLS to a listener without it: give the listener `tls:`, or leave use_ssl=true (and, beyond "
           "localhost, the token) out of the URL";
  }
  if (reason == "plain_on_tls_port") {
    return "a client speaks plain HTTP/2 to a TLS listener: add ;use_ssl=true to its URL";
  }
  if (reason == "tls_handshake")
    return "TLS handshakes fail: does the client trust the certificate, and the name in it?";
  if (reason == "client_certificate") {
    return "clients come without a certificate that `tls.client` takes: of its authorities, in its time, not revoked; "
           "the "
           "level debug logs each";
  }
  if (reason == "http1") return "something speaks HTTP/1.1 to the gRPC port: health and metrics are on the admin port";
  if (reason == "held_bytes") return "streams are reset because their readers are too slow: see limits.buffer_bytes";
  if (reason == "over_limit") return "new connections are closed at once: as many as limits.connections are open";
  if (reason == "out_of_descriptors")
    return "new connections wait: the process may open no more files (LimitNOFILE, ulimit -n)";
  if (reason == "flood")
    return "connections are closed that make work without a use: resets, empty frames, headers without an end";
  if (reason == "handshake_timeout") return "connections are closed that do not begin in limits.handshake_timeout";
  if (reason == "header_bytes" || reason == "header_count")
    return "calls are refused whose metadata are over a bound: see limits.header_bytes and limits.header_count";
  return nullptr;
}

}  // namespace

FrontDoor::FrontDoor(WorkerPool& workers, Relay& relay, ConnectionOptions options, int max_connections)
    : relay_(relay),
      options_(std::move(options)),
      acceptor_(
          workers, max_connections, [this](Worker& worker, Accepted accepted) { Accept(worker, std::move(accepted)); },
          [this](const char* reason) { Note(reason); }) {
  options_.on_incident = [this](const char* reason) { Note(reason); };
  for (std::size_t i = 0; i < workers.size(); ++i) per_worker_.push_back({&workers[i], {}});
}

FrontDoor::~FrontDoor() { acceptor_.Stop(); }

Result<std::string> FrontDoor::Listen(Listener listener) {
  auto bound = acceptor_.Listen(listener.address);
  if (bound) listeners_.push_back(std::move(listener));
  return bound;
}

void FrontDoor::Start() { acceptor_.Start(); }

void FrontDoor::Accept(Worker& worker, Accepted accepted) {
  const Listener& listener = listeners_[accepted.listener];
  WorkerRelay& relay = relay_.Of(worker);
  PerWorker* mine = nullptr;
  for (PerWorker& one : per_worker_) {
    if (one.worker == &worker) mine = &one;
  }
  ServerConnection::Setup setup;
  setup.options = options_;
  setup.listener = listener.name;
  setup.peer_address = std::move(accepted.peer_address);
  setup.tls = listener.tls;
  setup.on_stream = [&relay](ServerConnection& connection, const std::shared_ptr<Stream>& stream) {
    return relay.Begin(connection, stream);
  };
  setup.on_closed = [this, mine](ServerConnection& connection) {
    acceptor_.Closed(*mine->worker);
    mine->connections.erase(&connection);
  };
  auto connection = ServerConnection::Serve(worker, accepted.fd, std::move(setup));
  ServerConnection* const raw = connection.get();
  mine->connections.emplace(raw, std::move(connection));
  if (is_draining_) raw->Drain();
}

void FrontDoor::Note(const char* reason) {
  relay_.metrics()
      .Counter("spark_gateway_connection_incidents_total", "What was refused or went wrong on connections.",
               {{"reason", reason}})
      .Add(1);
  const char* cure = CureOf(reason);
  if (!cure) return;
  bool begins = false;
  {
    const std::lock_guard lock(mutex_);
    begins = spells_.Begins(reason, Clock::Real().Now());
  }
  if (begins) {
    spdlog::warn("{}: {} (said once, until it has been quiet for a while; counted in metrics)", reason, cure);
  }
}

void FrontDoor::Drain() {
  if (!is_draining_.exchange(true)) EndAll(&ServerConnection::Drain);
}

void FrontDoor::Close() { EndAll(&ServerConnection::Close); }

void FrontDoor::EndAll(void (ServerConnection::*end)()) {
  acceptor_.Stop();
  for (PerWorker& mine : per_worker_) {
    mine.worker->Post([&mine, end] {
      for (const auto& [raw, connection] : mine.connections) (raw->*end)();
    });
  }
}

}  // namespace sgw::core
