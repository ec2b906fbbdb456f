#include "core/http2/server_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPreface = "PRI * HTTP/2.0";
constexpr char kTlsHandshake = 0x16;
// Of an upload in frames of 16 KiB a fifth of the cost are the frames. What fits into a slab saves most of that, and a
// frame of one stream does not keep the client's others waiting for longer.
constexpr std::uint32_t kLongFrame = SlabPool::kSlabBytes;

// As far as can be seen: a method, a space, a target.
bool IsHttp1(std::string_view seen) {
  const auto space = std::find_if(seen.begin(), seen.end(), [](char c) { return c < 'A' || c > 'Z'; });
  if (space == seen.end()) return true;
  if (space == seen.begin() || *space != ' ') return false;
  const std::string_view target(space + 1, seen.end());
  return target.empty() || seen.starts_with("CONNECT ") || std::string_view("/*h").find(target[0]) != target.npos;
}

}  // namespace

std::shared_ptr<ServerConnection> ServerConnection::Serve(Worker& worker, int fd, Setup setup) {
  auto connection = std::make_shared<ServerConnection>(worker, std::move(setup));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  connection->early_ = std::make_unique<Transport>(worker, fd);
  connection->deadline_ = worker.StartTimer(connection->options_.handshake_timeout, [weak = std::weak_ptr(connection)] {
    if (const auto self = weak.lock()) self->GiveUp("handshake_timeout");
  });
  connection->early_->WaitReadable([connection] { connection->Recognise(); });
  return connection;
}

ServerConnection::ServerConnection(Worker& worker, Setup setup)
    : Connection(worker, setup.options, true), setup_(std::move(setup)) {}

void ServerConnection::GiveUp(const char* reason) {
  Incident(reason);
  if (early_) early_->Close();
  Close();
}

void ServerConnection::Recognise() {
  if (is_closed()) return;
  std::array<char, kPreface.size()> first;
  const ssize_t size = early_->Peek(first.data(), first.size());
  if (size == Transport::kAgain) {
    return early_->WaitReadable([self = shared_from_this(), this] { Recognise(); });
  }
  if (size <= 0) {
    early_->Close();
    return Close();
  }
  if (setup_.tls) {
    if (first[0] != kTlsHandshake) return GiveUp("plain_on_tls_port");
    verified_by_ = setup_.tls->version();
    early_->StartTls(setup_.tls->context()->Accept());
    return Handshake();
  }
  if (first[0] == kTlsHandshake) return GiveUp("tls_on_plain_port");
  const std::string_view seen(first.data(), static_cast<std::size_t>(size));
  if (kPreface.substr(0, seen.size()) != seen) {
    if (IsHttp1(seen)) return AnswerHttp1();
    Incident("bad_protocol");
    return EndEarly();
  }
  // A preface that comes in parts is nghttp2's to judge.
  BeginHttp2();
}

void ServerConnection::Handshake() {
  if (is_closed()) return;
  const ssize_t result = early_->Handshake();
  if (result == Transport::kAgain) {
    return early_->WaitForRead([self = shared_from_this(), this] { Handshake(); });
  }
  if (result != 1) {
    spdlog::debug("{}: TLS with {}: {}", setup_.listener, setup_.peer_address, early_->tls_error());
    Incident(early_->has_refused_peer() ? "client_certificate" : "tls_handshake");
    return EndEarly();  // the peer is to read the alert
  }
  if (early_->protocol() != "h2") return AnswerHttp1();
  tls_peer_ = std::make_shared<const TlsPeer>(early_->tls_peer());
  BeginHttp2();
}

void ServerConnection::AnswerHttp1() {
  Incident("http1");
  static constexpr std::string_view kAnswer =
      "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\nconnection: close\r\n"
      "content-length: 84\r\n\r\n"
      "This is a Spark Gateway: it speaks gRPC over HTTP/2. Use sc://HOST:PORT with Spark.\n";
  const iovec part{const_cast<char*>(kAnswer.data()), kAnswer.size()};
  early_->Write(&part, 1);
  EndEarly();
}

void ServerConnection::EndEarly() {
  deadline_.Cancel();
  // Until then it counts as a connection.
  Transport::CloseGently(worker_, std::move(early_), [self = shared_from_this(), this] { Close(); });
}

void ServerConnection::BeginHttp2() {
  const std::array settings = {
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_streams},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(options_.max_header_bytes)},
  };
  Begin(std::move(early_), settings.data(), settings.size());
  OnReadableNow();
}

void ServerConnection::Drain() {
  if (is_draining_ || is_closed()) return;
  is_draining_ = true;
  if (!session_) return GiveUp("draining");
  nghttp2_submit_shutdown_notice(session_);
  // When the ping comes back, every stream that the peer opened before it read the notice has arrived.
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  ScheduleFlush();
  deadline_ = worker_.StartTimer(1s, [weak = weak_from_this(), this] {
    if (const auto self = weak.lock()) OnPingAck();
  });
}

void ServerConnection::OnPingAck() {
  if (!is_draining_ || is_final_goaway_sent_ || is_closed()) return;
  is_final_goaway_sent_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  ScheduleFlush();
}

void ServerConnection::OnPeerSettings() {
  // The preface and SETTINGS are part of the handshake, and of its time.
  if (!is_draining_) deadline_.Cancel();
}

void ServerConnection::VerifyPeerAgain() {
  if (!tls_peer_ || !tls_peer_->verified) return;
  const std::uint64_t version = setup_.tls->version();
  if (version == verified_by_) return;
  verified_by_ = version;
  peer_status_ = setup_.tls->context()->VerifyPeer(transport_->tls());
}

// Clients that upload may send long frames; heads of requests need none.
void ServerConnection::OnLongBody() {
  if (std::exchange(are_frames_long_, true)) return;
  const nghttp2_settings_entry longer{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kLongFrame};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &longer, 1);
}

void ServerConnection::OnRequest(Stream& stream) {
  VerifyPeerAgain();
  StreamHandler* handler = setup_.on_stream ? setup_.on_stream(*this, stream.shared_from_this()) : nullptr;
  if (handler) {
    stream.SetHandler(handler);
  } else {
    stream.Reset(ErrorCode::kRefusedStream);
  }
  if (!peer_status_.ok()) Drain();
}

void ServerConnection::OnBadRequest(Stream& stream, HeaderBlock kept, bool is_end) {
  const bool is_size = stream.refusal_code() != ErrorCode::kProtocolError;
  const std::string text = is_size ? "The request's header fields have more than " +
                                         std::to_string(options_.max_header_bytes) + " bytes or are more than " +
                                         std::to_string(options_.max_header_fields) + ": see the gateway's limits."
                                   : "The request has a header field whose name or value HTTP does not allow.";
  if (stream.is_grpc_) {
    OnRequest(stream);
    if (!stream.handler_) return;
    return stream.handler_->OnBadHeaders(std::move(kept), is_end,
                                         is_size ? ResourceExhausted(text) : InvalidArgument(text));
  }
  stream.SendHeaders({{":status", is_size ? "431" : "400"}, {"content-type", "text/plain"}}, false);
  stream.SendData(Piece::Copy(text + "\n"));
  stream.SendEnd();
}

void ServerConnection::OnClosed() {
  deadline_.Cancel();
  if (setup_.on_closed) std::exchange(setup_.on_closed, nullptr)(*this);
}

}  // namespace sgw::core
