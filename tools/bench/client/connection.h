// Connection: one HTTP/2 connection of the load generator, plain or TLS, that sends what it is given and counts what
// comes back. Windows of 16 MiB and frames of up to 1 MiB are offered: the size to which the windows and frames of
// grpc's own clients grow on a fast link.
//
// Single-threaded; the owner polls fd() and calls OnReady().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_session;
struct ssl_st;
struct ssl_ctx_st;

namespace sgw::bench {

using Clock = std::chrono::steady_clock;

struct Target {
  std::string host = "127.0.0.1";
  int port = 0;
  ssl_ctx_st* tls = nullptr;  // null: plain
};

// A context that verifies nothing and offers TLS 1.3 with AES-128-GCM, as the proxies of the benchmark do.
ssl_ctx_st* MakeTls();

struct Request {
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
};

// What became of a call.
struct Outcome {
  bool is_ok = false;  // ended by the server with grpc-status 0
  std::uint64_t bytes_received = 0;
  Clock::duration elapsed{};
};

class Connection {
 public:
  // Connects, and throws std::system_error when nobody listens.
  explicit Connection(const Target& target);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  bool wants_write() const;
  // Whether the server's SETTINGS have arrived: TLS and HTTP/2 are up.
  bool is_ready() const { return is_ready_; }
  bool is_closed() const { return is_closed_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

  // Calls with `body` `repeat` times as the stream's DATA; without a body the request side stays open. The body
  // outlives the call. `done` hears the end once, also when the connection breaks.
  void Start(const Request& request, std::string_view body, std::uint64_t repeat, std::function<void(Outcome)> done);

  // Reads and writes until it would block.
  void OnReady();

 private:
  struct Call;
  struct Callbacks;

  void Read();
  void Write();
  void Fill();
  long TlsError(int result) const;
  long Receive(void* to, std::size_t size);
  long Send(const void* from, std::size_t size);
  void Close();

  int fd_ = -1;
  ssl_st* tls_ = nullptr;
  nghttp2_session* session_ = nullptr;
  std::map<int, std::unique_ptr<Call>> calls_;
  std::string unsent_;
  std::size_t sent_ = 0;  // of unsent_
  bool is_ready_ = false;
  bool is_closed_ = false;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace sgw::bench
