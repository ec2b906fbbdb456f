// ServerConnection: the downstream side: a client's HTTP/2 connection, from its first byte.
//
// What is not HTTP/2 is told so in its own words: HTTP/1.1 gets one line that says what this port is, a TLS hello on a
// plain port and a plain preface on a TLS port are counted and logged with the cure.
#pragma once

#include <sgw/status.h>

#include <functional>
#include <memory>
#include <string>

#include "core/http2/connection.h"

namespace sgw::core {

class ServerConnection final : public Connection {
 public:
  struct Setup {
    ConnectionOptions options;
    std::string listener;
    std::string peer_address;
    std::shared_ptr<const TlsSource> tls;  // null: plain
    // Gives the handler of a new stream, whose head follows at once. Null refuses the stream.
    std::function<StreamHandler*(ServerConnection&, const std::shared_ptr<Stream>&)> on_stream;
    std::function<void(ServerConnection&)> on_closed;
  };

  // Takes the descriptor and serves it. On the worker.
  static std::shared_ptr<ServerConnection> Serve(Worker& worker, int fd, Setup setup);

  // Says that no new streams are wanted, refuses those that come a round trip later, and closes when the last has
  // ended.
  void Drain();

  ServerConnection(Worker& worker, Setup setup);

  const std::string& listener() const { return setup_.listener; }
  const std::string& peer_address() const { return setup_.peer_address; }
  // Null on a plain connection; may be kept after it and read on any thread.
  const std::shared_ptr<const TlsPeer>& tls_peer() const { return tls_peer_; }
  // Not OK: the listener's authorities or revocation lists are others now, and the peer's certificate is not good by
  // them. No call is to be served, and the connection ends with those that run.
  const Status& peer_status() const { return peer_status_; }
  // What the handlers of its streams share with each other; its destructor touches nothing of the connection.
  std::shared_ptr<void>& companion() { return companion_; }

 private:
  void Recognise();
  void Handshake();
  void BeginHttp2();
  void AnswerHttp1();
  void GiveUp(const char* reason);
  void EndEarly();
  void VerifyPeerAgain();
  void OnRequest(Stream& stream) override;
  void OnBadRequest(Stream& stream, HeaderBlock kept, bool is_end) override;
  void OnPingAck() override;
  void OnPeerSettings() override;
  void OnLongBody() override;
  void OnClosed() override;

  Setup setup_;
  std::unique_ptr<Transport> early_;  // until HTTP/2 begins
  Timer deadline_;
  std::shared_ptr<const TlsPeer> tls_peer_;
  std::uint64_t verified_by_ = 0;  // the version of setup_.tls
  Status peer_status_;
  std::shared_ptr<void> companion_;
  bool is_draining_ = false;
  bool is_final_goaway_sent_ = false;
  bool are_frames_long_ = false;  // as the peer is told
};

}  // namespace sgw::core
