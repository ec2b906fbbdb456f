// UpstreamPool: the connections of one worker to the servers, opened when a call needs one and shared by all of its
// calls.
//
// A further connection to the same server opens when the others have no room for a stream or take no new ones (GOAWAY).
// A connection closes by itself when it has had no stream for the idle time, when its server says nothing any more, or
// when its endpoint is withdrawn and its last stream has ended.
//
// Everything happens on the pool's worker.
#pragma once

#include <sgw/values.h>

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/http2/client_connection.h"
#include "core/upstream/endpoint_table.h"
#include "core/worker/worker.h"

namespace sgw::core {

// Somebody who wants to open a stream.
class UpstreamWaiter {
 public:
  virtual ~UpstreamWaiter() = default;
  // The connection has room for a stream: it is to be opened now, or never.
  virtual void OnConnection(ClientConnection& connection) = 0;
  // There is none and will be none; UNAVAILABLE.
  virtual void OnNoConnection(const Status& why) = 0;

 private:
  friend class UpstreamPool;
  std::shared_ptr<void> waits_in_;
  SteadyTime waits_since_{};
};

struct UpstreamOptions {
  // Upstream, silence is broken every five minutes and only with calls: grpc-java, as Spark up to 4.2 sets it up, takes
  // more for an attack. The kernel's keepalive and user timeout find a dead peer sooner.
  static ConnectionOptions Defaults() {
    ConnectionOptions options;
    options.ping_interval = std::chrono::minutes(5);
    options.ping_without_streams = false;
    options.idle_timeout = std::chrono::minutes(10);
    return options;
  }
  ConnectionOptions connection = Defaults();
  std::chrono::milliseconds connect_timeout{5'000};
  // Authorities and our certificate for endpoints that are reached by TLS. Null: those that say so cannot be reached.
  std::shared_ptr<const TlsSource> tls{};
  std::size_t max_connections = 16;            // to one endpoint
  std::size_t max_waiting = 1'000;             // for one endpoint
  std::chrono::milliseconds max_wait{25'000};  // for room on a driver that is busy
};

class UpstreamPool {
 public:
  UpstreamPool(Worker& worker, EndpointTable& table, UpstreamOptions options);
  // Closes every connection; whoever still waits hears nothing more.
  ~UpstreamPool();
  UpstreamPool(const UpstreamPool&) = delete;
  UpstreamPool& operator=(const UpstreamPool&) = delete;

  // Answers the waiter once, perhaps before it returns, unless Leave comes first.
  void Get(const Endpoint& endpoint, UpstreamWaiter& waiter);
  // The waiter wants no answer any more. Harmless when it does not wait.
  void Leave(UpstreamWaiter& waiter);

  // The endpoint for a call that may go to any of them: one that is not set aside, with the fewest streams for its
  // weight. Null only when there are none besides those that were `tried`.
  const Endpoint* Choose(std::span<const Endpoint> endpoints, std::span<const Endpoint> tried = {});

  // Whether the endpoint is reached by TLS.
  bool UsesTls(const Endpoint& endpoint) const;

  // Of calls that went there; see EndpointTable.
  void Refused(const Endpoint& endpoint, const std::string& why) { table_.Refused(endpoint, why); }
  void Answered(const Endpoint& endpoint) { table_.Answered(endpoint); }

  // The endpoint is not used any more.
  void Withdraw(const std::string& address, const std::string& incarnation);

  Worker& worker() { return worker_; }

 private:
  struct Group;
  struct Link;

  std::shared_ptr<Group> GroupOf(const Endpoint& endpoint);
  static ClientConnection* RoomIn(Group& group);
  void Connect(const std::shared_ptr<Group>& group);
  void OnReady(const std::shared_ptr<Group>& group, Link& link, const Status& result);
  void OnClosed(const std::shared_ptr<Group>& group, Link& link);
  static UpstreamWaiter& TakeFirst(Group& group);
  void Serve(const std::shared_ptr<Group>& group);
  void Refuse(Group& group, const Status& why);
  void BoundWaits(const std::shared_ptr<Group>& group);
  void KeepTrying(const std::shared_ptr<Group>& group);
  void StopTrying(EndpointState& state);
  void Recount(Group& group);
  void Sweep();

  Worker& worker_;
  EndpointTable& table_;
  const UpstreamOptions options_;
  // By EndpointKey: one that is reached plainly, and one for each name by TLS.
  std::unordered_map<std::string, std::vector<std::shared_ptr<Group>>> groups_;
  std::string key_;  // what is looked for there: its memory is kept, each call asks
  std::size_t next_choice_ = 0;
  Timer sweep_;
};

// The pools of the process, one for each worker.
class UpstreamPools {
 public:
  // Before the workers start. The table tells these pools when an endpoint is withdrawn.
  UpstreamPools(WorkerPool& workers, EndpointTable& table, const UpstreamOptions& options);
  // After the workers have stopped.
  ~UpstreamPools();

  UpstreamPool& operator[](std::size_t index) { return *pools_[index]; }
  // Any thread.
  void Withdraw(const std::string& address, const std::string& incarnation);

 private:
  std::vector<std::unique_ptr<UpstreamPool>> pools_;
  EndpointTable& table_;
};

}  // namespace sgw::core
