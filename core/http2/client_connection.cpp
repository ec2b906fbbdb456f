#include "core/http2/client_connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <thread>

#include "core/http2/frames.h"

namespace sgw::core {
namespace {

constexpr std::int32_t kStreamWindow = 256 * 1024;
constexpr std::uint32_t kMaxFrame = 1024 * 1024;
constexpr unsigned kUserTimeoutMs = 30'000;  // also ends the kernel's keepalive
constexpr int kKeepaliveSeconds = 10;

// For callers, who can do nothing about it.
constexpr const char* kNoTls = "it and the gateway do not trust each other (TLS); the gateway's log says why";

constexpr int kMaxLookups = 64;
std::atomic<int> running_lookups{0};

struct Address {
  sockaddr_storage name{};
  socklen_t size = 0;
};

// A literal needs no resolver; a name may take seconds and is looked up elsewhere.
bool FindAddresses(const std::string& text, bool may_block, std::deque<Address>& found, std::string& error) {
  if (text.rfind("unix:", 0) == 0) {
    Address address;
    auto* name = reinterpret_cast<sockaddr_un*>(&address.name);
    if (text.size() - 5 >= sizeof(name->sun_path)) return error = "the path is too long", true;
    name->sun_family = AF_UNIX;
    std::memcpy(name->sun_path, text.data() + 5, text.size() - 5);
    address.size = sizeof(sockaddr_un);
    found.push_back(address);
    return true;
  }
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return error = "'" + text + "' is not host:port", true;
  std::string host = text.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (may_block ? 0 : AI_NUMERICHOST);
  addrinfo* list = nullptr;
  if (const int result = getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &list); result != 0) {
    if (!may_block && result == EAI_NONAME) return false;
    error = gai_strerror(result);
    return true;
  }
  for (const addrinfo* at = list; at; at = at->ai_next) {
    Address address;
    std::memcpy(&address.name, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    found.push_back(address);
  }
  freeaddrinfo(list);
  return true;
}

}  // namespace

struct ClientConnection::Lookup {
  std::deque<Address> found;
  std::string error;
};

std::shared_ptr<ClientConnection> ClientConnection::Connect(Worker& worker, Setup setup) {
  auto connection = std::make_shared<ClientConnection>(worker, std::move(setup));
  ClientConnection* const raw = connection.get();
  raw->lookup_ = std::make_shared<Lookup>();
  raw->deadline_ = worker.StartTimer(raw->setup_.connect_timeout, [weak = std::weak_ptr(connection)] {
    if (const auto self = weak.lock()) self->Fail("no answer in time (" + self->last_error_ + ")");
  });
  if (FindAddresses(raw->setup_.address, false, raw->lookup_->found, raw->lookup_->error)) {
    worker.Post([connection] { connection->Resolved(); });
    return connection;
  }
  if (running_lookups.fetch_add(1) >= kMaxLookups) {
    --running_lookups;
    raw->lookup_->error = "too many names are being looked up already: does DNS answer?";
    worker.Post([connection] { connection->Resolved(); });
    return connection;
  }
  // getaddrinfo has no asynchronous form; a thread for each look-up is rare, since connections are kept. It may take
  // longer than the connection or the worker live.
  std::thread([door = worker.door(), weak = std::weak_ptr(connection), lookup = raw->lookup_,
               address = raw->setup_.address]() mutable {
    FindAddresses(address, true, lookup->found, lookup->error);
    door->Post([weak = std::move(weak)] {
      if (const auto self = weak.lock()) self->Resolved();
    });
    --running_lookups;
  }).detach();
  return connection;
}

ClientConnection::ClientConnection(Worker& worker, Setup setup)
    : Connection(worker, setup.options, false), setup_(std::move(setup)) {}

int ClientConnection::lookups() { return running_lookups; }

void ClientConnection::Resolved() {
  if (is_closed()) return;
  if (!lookup_->error.empty()) last_error_ = lookup_->error;
  TryNext();
}

void ClientConnection::TryNext() {
  if (lookup_->found.empty()) return Fail(last_error_);
  const Address address = lookup_->found.front();
  lookup_->found.pop_front();
  const int fd = socket(address.name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    last_error_ = std::strerror(errno);
    return TryNext();
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address.name), address.size) == 0) return Connected(fd);
  if (errno != EINPROGRESS) {
    last_error_ = std::strerror(errno);
    close(fd);
    return TryNext();
  }
  last_error_ = "not connected";
  early_ = std::make_unique<Transport>(worker_, fd);
  early_->WaitWritable([self = shared_from_this(), this, fd] {
    if (is_closed()) return;
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      last_error_ = std::strerror(error);
      early_->Close();
      return TryNext();
    }
    Connected(-1);
  });
}

void ClientConnection::Connected(int fd) {
  if (fd >= 0) early_ = std::make_unique<Transport>(worker_, fd);
  const int on = 1;
  setsockopt(early_->fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(early_->fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(early_->fd(), IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveSeconds, sizeof(kKeepaliveSeconds));
  setsockopt(early_->fd(), IPPROTO_TCP, TCP_KEEPINTVL, &kKeepaliveSeconds, sizeof(kKeepaliveSeconds));
  setsockopt(early_->fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof(kUserTimeoutMs));
  if (!setup_.is_tls) return BeginHttp2();
  if (!setup_.tls) return Distrust("there is no upstream.tls.ca to trust it by");
  ssl_st* const tls = setup_.tls->ConnectTo(setup_.server_name);
  if (!tls) return Distrust("'" + setup_.server_name + "' is no name that a certificate can carry");
  early_->StartTls(tls);
  last_error_ = "connected, but the TLS handshake did not end";
  Handshake();
}

void ClientConnection::Handshake() {
  if (is_closed()) return;
  const ssize_t result = early_->Handshake();
  if (result == Transport::kAgain) {
    return early_->WaitForRead([self = shared_from_this(), this] { Handshake(); });
  }
  if (result != 1 && early_->tls_error().empty()) return Fail("the connection ended in the TLS handshake");
  if (result != 1) return Distrust(early_->tls_error());
  if (early_->protocol() != "h2") return Distrust("it speaks no HTTP/2 (ALPN)");
  BeginHttp2();
}

void ClientConnection::BeginHttp2() {
  last_error_ = "connected, but no HTTP/2 SETTINGS came";
  const std::array settings = {
      nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(kStreamWindow)},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrame},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(options_.max_header_bytes)},
  };
  Begin(std::move(early_), settings.data(), settings.size());
  OnReadableNow();
}

void ClientConnection::Fail(const std::string& why) {
  if (is_ready_ || is_closed()) return;
  if (early_) early_->Close();
  deadline_.Cancel();
  const auto on_ready = std::exchange(setup_.on_ready, nullptr);
  setup_.on_closed = nullptr;
  Close();
  if (on_ready) on_ready(Unavailable("cannot connect to " + setup_.address + ": " + why));
}

void ClientConnection::Distrust(const std::string& why) {
  distrust_ = "TLS with '" + setup_.server_name + "': " + why;
  Fail(kNoTls);
}

void ClientConnection::OnPeerSettings() {
  if (is_ready_) return OnStreamsChanged();
  is_ready_ = true;
  deadline_.Cancel();
  // Out of nghttp2's hands before streams are opened.
  worker_.Post([self = shared_from_this(), this] {
    if (const auto on_ready = std::exchange(setup_.on_ready, nullptr)) on_ready(Status());
  });
}

bool ClientConnection::can_open() const {
  return is_ready_ && !is_leaving_ && !is_closed() && nghttp2_session_check_request_allowed(session_) != 0 &&
         streams() < nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

std::shared_ptr<Stream> ClientConnection::Open(const HeaderBlock& headers, bool is_end, StreamHandler& handler) {
  if (!can_open()) return nullptr;
  auto stream = std::make_shared<Stream>(this, account_, 0);
  const nghttp2_data_provider body = BodyOf(*stream);
  const NameValues fields(headers);
  const std::int32_t id =
      nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), is_end ? nullptr : &body, nullptr);
  if (id < 0) return nullptr;
  stream->id_ = id;
  stream->window_ = kStreamWindow;
  stream->has_sent_head_ = true;
  stream->is_end_queued_ = is_end;
  stream->SetHandler(&handler);
  Adopt(stream);
  ScheduleFlush();
  return stream;
}

void ClientConnection::OnGoaway(std::int32_t) {
  // nghttp2 closes the streams above the last one with REFUSED_STREAM; the others go on.
  is_leaving_ = true;
  OnStreamsChanged();
}

void ClientConnection::CloseWhenIdle() {
  is_leaving_ = true;
  if (streams() == 0) Close();
}

void ClientConnection::OnStreamsChanged() {
  if (is_closed()) return;
  if (is_leaving_ && streams() == 0) return Close();
  if (is_ready_ && setup_.on_streams_changed) setup_.on_streams_changed();
}

void ClientConnection::OnClosed() {
  deadline_.Cancel();
  setup_.on_streams_changed = nullptr;
  if (const auto on_ready = std::exchange(setup_.on_ready, nullptr)) {
    setup_.on_closed = nullptr;
    std::string why = "the connection ended at once";
    if (setup_.is_tls && transport_) {
      // With TLS 1.3 a server says after the handshake, if at all, that it does not take our certificate. One that
      // says nothing may as well have no server behind it any more.
      const std::string& said = transport_->tls_error();
      if (said.empty()) {
        why = "it ended the connection after the TLS handshake; if it runs, does it want another certificate of ours?";
      } else {
        distrust_ = "TLS with '" + setup_.server_name + "': " + said;
        why = kNoTls;
      }
    }
    return on_ready(Unavailable("cannot connect to " + setup_.address + ": " + why));
  }
  if (const auto on_closed = std::exchange(setup_.on_closed, nullptr)) on_closed();
}

}  // namespace sgw::core
