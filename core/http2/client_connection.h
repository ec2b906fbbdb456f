// ClientConnection: the upstream side: our HTTP/2 connection to a driver.
#pragma once

#include <sgw/status.h>

#include <functional>
#include <memory>
#include <string>

#include "core/http2/connection.h"

namespace sgw::core {

class ClientConnection final : public Connection {
 public:
  struct Setup {
    ConnectionOptions options;
    std::string address;  // "host:port", "[v6]:port" or "unix:/path"
    std::chrono::milliseconds connect_timeout{5'000};
    // Once: OK when the peer's SETTINGS have arrived, or why there is no connection.
    std::function<void(const Status&)> on_ready;
    std::function<void()> on_closed;           // after on_ready was OK, once
    std::function<void()> on_streams_changed;  // one ended: there may be room for another
    bool is_tls = false;
    std::shared_ptr<const TlsContext> tls{};  // null with is_tls: the server is not reached
    std::string server_name{};                // with TLS: the name or IP address that the certificate must carry
  };

  // Resolves, connects, shakes hands and exchanges SETTINGS, without blocking. On the worker. Whoever wants on_ready
  // keeps what is returned.
  static std::shared_ptr<ClientConnection> Connect(Worker& worker, Setup setup);
  ClientConnection(Worker& worker, Setup setup);

  // Names that are being looked up, in the process.
  static int lookups();

  // Opens a stream with this request head. Null when there is no room or no new streams are taken; ask can_open().
  std::shared_ptr<Stream> Open(const HeaderBlock& headers, bool is_end, StreamHandler& handler);
  bool can_open() const;
  // Takes no new streams for good: the peer said so, or it closes when idle.
  bool is_leaving() const { return is_leaving_ || is_closed(); }
  // After on_ready was not OK: somebody is there, and this, for operators, is why TLS did not trust it or was not let
  // in. Empty: nobody was there.
  const std::string& distrust() const { return distrust_; }
  // Closes now if no stream is open, otherwise when the last has ended.
  void CloseWhenIdle();

 private:
  struct Lookup;
  void Resolved();
  void TryNext();
  void Connected(int fd);
  void Handshake();
  void BeginHttp2();
  void Fail(const std::string& why);
  void Distrust(const std::string& why);
  void OnGoaway(std::int32_t last_stream_id) override;
  void OnPeerSettings() override;
  void OnStreamsChanged() override;
  void OnClosed() override;

  Setup setup_;
  std::shared_ptr<Lookup> lookup_;
  std::unique_ptr<Transport> early_;
  Timer deadline_;
  std::string last_error_ = "no address";
  std::string distrust_;
  bool is_ready_ = false;
  bool is_leaving_ = false;
};

}  // namespace sgw::core
