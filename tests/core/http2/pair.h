// A client connection and a server connection of ours that talk over loopback, for tests.
#pragma once

#include <doctest/doctest.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/http2/client_connection.h"
#include "core/http2/server_connection.h"
#include "core/worker/acceptor.h"
#include "tests/support/run_on.h"

namespace sgw::core::testing {

// A gRPC message as it is sent.
inline std::string Framed(const std::string& message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  return std::string{0, static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                     static_cast<char>(size)} +
         message;
}

// The head of an answer that goes well.
inline const HeaderBlock kHead = {{":status", "200"}, {"content-type", "application/grpc"}};

// Remembers what a stream hears, and lets a test wait for it.
class Recorder : public StreamHandler {
 public:
  void OnHeaders(HeaderBlock block, bool is_end) override {
    Note([&] {
      headers = std::move(block);
      has_headers = true;
      has_ended |= is_end;
    });
    if (on_headers) on_headers();
  }
  // As whoever serves it does.
  void OnBadHeaders(HeaderBlock, bool, const Status& why) override {
    stream->SendHeaders({{":status", "200"},
                         {"content-type", "application/grpc"},
                         {"grpc-status", std::to_string(static_cast<int>(why.code()))},
                         {"grpc-message", why.message()}},
                        true);
  }
  void OnData(Piece piece) override {
    const std::size_t size = piece.size();
    Note([&] {
      if (keeps_body) body.append(piece.view());
      received += size;
    });
    if (on_data) on_data(std::move(piece));
    if (stream && credits) stream->Credit(size);
  }
  void OnEnd(HeaderBlock block) override {
    Note([&] {
      trailers = std::move(block);
      has_ended = true;
    });
    if (on_end) on_end();
  }
  void OnSent(std::size_t bytes) override {
    Note([&] { sent += bytes; });
    if (on_sent) on_sent(bytes);
  }
  void OnBudget() override {
    Note([&] { is_over_budget = true; });
    if (!stream) return;
    stream->Reset(ErrorCode::kCancel);
    stream->Credit(stream->held_bytes());
  }
  void OnClosed(const StreamClose& info) override {
    if (stream && lets_go_when_closed) stream->Credit(stream->held_bytes());
    if (on_closed) on_closed();
    Note([&] {
      close = info;
      is_closed = true;
    });
  }

  // Waits until the condition holds; the lock is held while it is looked at.
  bool WaitFor(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), condition);
  }

  std::shared_ptr<Stream> stream;
  std::function<void()> on_headers;
  std::function<void(Piece)> on_data;
  std::function<void()> on_end;
  std::function<void(std::size_t)> on_sent;
  std::function<void()> on_closed;
  bool credits = true;
  bool lets_go_when_closed = true;
  bool keeps_body = true;

  std::mutex mutex;  // Guards all below.
  std::condition_variable changed;
  HeaderBlock headers;
  HeaderBlock trailers;
  std::string body;
  std::size_t received = 0;
  std::size_t sent = 0;
  bool has_headers = false;
  bool has_ended = false;
  bool is_over_budget = false;
  bool is_closed = false;
  StreamClose close;

 private:
  template <typename F>
  void Note(F change) {
    // Told under the lock: who waits may destroy this as soon as it is free.
    const std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
};

// Listens, serves every stream with `serve`, and connects one client. Everything runs on one worker.
class Pair {
 public:
  using ServeFn = std::function<void(Recorder&)>;  // sets the hooks of a new stream's recorder; on the worker

  explicit Pair(ServeFn serve, ConnectionOptions server_options = {}, ConnectionOptions client_options = {},
                const std::string& listen = "127.0.0.1:0", std::shared_ptr<const TlsSource> tls = nullptr)
      : serve_(std::move(serve)),
        server_options_(std::move(server_options)),
        client_options_(std::move(client_options)),
        tls_(std::move(tls)) {
    const auto address_or = acceptor_.Listen(listen);
    REQUIRE(address_or);
    address = *address_or;
    pool_.Start();
    acceptor_.Start();
  }
  ~Pair() {
    acceptor_.Stop();
    Run([this] {
      if (client) client->Close();
      for (auto& weak : servers) {
        if (auto server = weak.lock()) server->Close();
      }
    });
    Run([this] {
      client.reset();
      served.clear();
    });
    pool_.Stop();
  }

  Status Connect() {
    std::promise<Status> ready;
    Run([&] {
      client = ClientConnection::Connect(worker(), {client_options_,
                                                    address,
                                                    std::chrono::seconds(5),
                                                    [&](const Status& status) { ready.set_value(status); },
                                                    [this] { client_closed = true; },
                                                    {}});
    });
    return ready.get_future().get();
  }

  // Opens a stream; `recorder` hears it.
  void Open(Recorder& recorder, bool is_end, std::string path = "/test") {
    Run([&] {
      recorder.stream = client->Open(
          {{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "test"}, {"te", "trailers"}},
          is_end, recorder);
      REQUIRE(recorder.stream);
    });
  }

  // Runs the function on the worker and waits for it.
  void Run(const std::function<void()>& function) { RunOn(worker(), function); }

  // Serves a connected socket, as if it had been accepted. On the worker.
  void Accept(Accepted accepted) {
    servers.push_back(
        ServerConnection::Serve(worker(), accepted.fd,
                                {server_options_, "test", accepted.peer_address, tls_,
                                 [this](ServerConnection& connection, const std::shared_ptr<Stream>& stream) {
                                   if (on_stream) on_stream(connection);
                                   served.push_back(std::make_unique<Recorder>());
                                   served.back()->stream = stream;
                                   serve_(*served.back());
                                   return served.back().get();
                                 },
                                 [this](ServerConnection&) { acceptor_.Closed(worker()); }}));
  }

  Worker& worker() { return pool_[0]; }

  std::string address;
  std::function<void(ServerConnection&)> on_stream;  // hears of each; on the worker
  std::shared_ptr<ClientConnection> client;
  std::atomic<bool> client_closed{false};
  std::vector<std::weak_ptr<ServerConnection>> servers;
  std::vector<std::unique_ptr<Recorder>> served;  // in the order of their streams; on the worker

 private:
  ServeFn serve_;
  ConnectionOptions server_options_;
  ConnectionOptions client_options_;
  std::shared_ptr<const TlsSource> tls_;
  WorkerPool pool_{1};
  Acceptor acceptor_{pool_, 20'000, [this](Worker&, Accepted accepted) { Accept(std::move(accepted)); }};
};

}  // namespace sgw::core::testing
