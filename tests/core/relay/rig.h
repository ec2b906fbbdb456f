// A client, a relay and a driver that talk over loopback, for tests.
#pragma once

#include <doctest/doctest.h>

#include <list>
#include <memory>
#include <string>

#include "core/relay/headers.h"
#include "core/relay/refusal.h"
#include "core/relay/stream_pair.h"
#include "core/upstream/pool.h"
#include "tests/core/http2/pair.h"

namespace sgw::core::testing {

// The simplest owner of a StreamPair: everything goes to one address, perhaps stamped.
class BareCall final : public StreamPair {
 public:
  struct Plan {
    std::vector<Endpoint> endpoints;
    std::string stamp;
    bool connects_at_once = true;
  };
  BareCall(UpstreamPool& upstream, std::shared_ptr<Stream> client, const Plan& plan,
           std::function<void(BareCall*)> done)
      : StreamPair(upstream, std::move(client)), plan_(plan), done_(std::move(done)) {}

  using StreamPair::bytes_from_client;
  using StreamPair::bytes_to_client;
  using StreamPair::Connect;
  using StreamPair::outcome;
  using StreamPair::Refuse;

 private:
  void OnHead(HeaderBlock head) override {
    head_ = std::move(head);
    if (!plan_.stamp.empty()) request().StampWith(plan_.stamp);
    if (plan_.connects_at_once) Connect(plan_.endpoints[next_++]);
  }
  void OnHeld() override {}
  HeaderBlock DriverHead(const Endpoint& to) override {
    ForwardFacts facts{to, "00-1-2-00"};
    facts.is_stamped = request().is_stamped();
    return ForwardedHead(head_, facts);
  }
  HeaderBlock RefusalFields(const Status& status, bool is_head) override {
    return StatusFields(status, "c1", "", is_head);
  }
  bool OnUnreachable(const Endpoint&, const Status&) override {
    if (next_ >= plan_.endpoints.size()) return false;
    Connect(plan_.endpoints[next_++]);
    return true;
  }
  void OnDone() override { done_(this); }

  Plan plan_;
  HeaderBlock head_;
  std::size_t next_ = 0;
  std::function<void(BareCall*)> done_;
};

// What became of a call.
struct Ended {
  StreamPair::Outcome outcome;
  std::uint64_t from_client = 0;
  std::uint64_t to_client = 0;
};

class Rig {
 public:
  explicit Rig(Pair::ServeFn serve, UpstreamOptions upstream = {}, ConnectionOptions downstream = {})
      : driver(std::move(serve)), pools_(workers_, table, upstream), downstream_(downstream) {
    plan.endpoints.push_back({.address = driver.address});
    const auto bound = acceptor_.Listen("127.0.0.1:0");
    REQUIRE(bound);
    address_ = *bound;
    workers_.Start();
    acceptor_.Start();
    client = Connect();
  }
  ~Rig() {
    acceptor_.Stop();
    RunOn(workers_[1], [this] { client->Close(); });
    RunOn(workers_[1], [this] { client.reset(); });
    RunOn(gateway(), [this] {
      for (auto& weak : servers_) {
        if (auto server = weak.lock()) server->Close();
      }
    });
    workers_.Stop();
  }

  // One more connection of a client's.
  std::shared_ptr<ClientConnection> Connect() {
    std::promise<Status> ready;
    std::shared_ptr<ClientConnection> made;
    RunOn(workers_[1], [&] {
      made = ClientConnection::Connect(
          workers_[1],
          {{}, address_, std::chrono::seconds(5), [&](const Status& status) { ready.set_value(status); }, {}, {}});
    });
    REQUIRE(ready.get_future().get().ok());
    return made;
  }

  // Opens a stream of the client's; the recorder hears it.
  void Open(Recorder& recorder, bool is_end = false, std::vector<HeaderField> more = {}) {
    OpenOn(*client, recorder, is_end, std::move(more));
  }
  void OpenOn(ClientConnection& connection, Recorder& recorder, bool is_end = false,
              std::vector<HeaderField> more = {}) {
    RunOn(workers_[1], [&] {
      HeaderBlock head{{":method", "POST"},  {":scheme", "http"}, {":path", "/test.Echo/Say"},
                       {":authority", "gw"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
      for (const auto& field : more) head.Add(field.name, field.value);
      recorder.stream = connection.Open(head, is_end, recorder);
      REQUIRE(recorder.stream);
    });
  }
  void Send(Recorder& recorder, const std::string& bytes, bool is_end = false) {
    RunOn(workers_[1], [&] {
      if (!bytes.empty()) recorder.stream->SendData(Piece::Copy(bytes));
      if (is_end) recorder.stream->SendEnd();
    });
  }
  void OnClient(const std::function<void()>& function) { RunOn(workers_[1], function); }
  Worker& gateway() { return workers_[0]; }
  UpstreamPool& pool() { return pools_[0]; }
  bool has_calls() const { return !calls_.empty(); }
  BareCall& call() { return *calls_.back(); }
  // Bytes of the requests of the calls that live. On the gateway's worker.
  std::size_t received() const {
    std::size_t bytes = 0;
    for (const auto& one : calls_) bytes += one->bytes_from_client();
    return bytes;
  }

  // Waits for the calls that ended so far to be that many.
  std::vector<Ended> WaitForEnded(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return ended_.size() >= count; }));
    return ended_;
  }

  Pair driver;
  EndpointTable table;
  BareCall::Plan plan;
  std::shared_ptr<ClientConnection> client;

 private:
  void Accept(Accepted accepted) {
    servers_.push_back(
        ServerConnection::Serve(gateway(), accepted.fd,
                                {downstream_, "test", accepted.peer_address, nullptr,
                                 [this](ServerConnection&, const std::shared_ptr<Stream>& stream) -> StreamHandler* {
                                   calls_.push_back(std::make_unique<BareCall>(pools_[0], stream, plan,
                                                                               [this](BareCall* call) { Ends(call); }));
                                   return calls_.back().get();
                                 },
                                 [this](ServerConnection&) { acceptor_.Closed(gateway()); }}));
  }
  void Ends(BareCall* call) {
    {
      const std::lock_guard lock(mutex_);
      ended_.push_back({call->outcome(), call->bytes_from_client(), call->bytes_to_client()});
    }
    changed_.notify_all();
    gateway().Post([this, call] { calls_.remove_if([&](const auto& owned) { return owned.get() == call; }); });
  }

  WorkerPool workers_{2};  // the gateway's and the client's
  UpstreamPools pools_;
  ConnectionOptions downstream_;
  std::string address_;
  std::vector<std::weak_ptr<ServerConnection>> servers_;
  std::list<std::unique_ptr<BareCall>> calls_;
  std::mutex mutex_;  // Guards ended_.
  std::condition_variable changed_;
  std::vector<Ended> ended_;
  Acceptor acceptor_{
      workers_, 100, [this](Worker& worker, Accepted accepted) {
        // The client's own worker accepts nothing.
        acceptor_.Closed(worker);
        gateway().Post([this, accepted = std::move(accepted)]() mutable { Accept(std::move(accepted)); });
      }};
};

}  // namespace sgw::core::testing
