#include "tools/bench/client/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace sgw::bench {

namespace {

constexpr std::int32_t kWindow = 16 << 20;
constexpr std::uint32_t kFrame = 1 << 20;
constexpr std::size_t kTogether = 64 << 10;

int Connect(const Target& target) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(target.port));
  inet_pton(AF_INET, target.host.c_str(), &address.sin_addr);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  return fd;
}

nghttp2_nv Field(const std::string& name, const std::string& value) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

ssl_ctx_st* MakeTls() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>("\x02h2"), 3);
  return context;
}

struct Connection::Call {
  std::string_view body;
  std::uint64_t left = 0;  // bytes still to be sent
  std::function<void(Outcome)> done;
  Clock::time_point start;
  std::uint64_t received = 0;
  bool is_ok = false;
};

struct Connection::Callbacks {
  static Connection& Self(void* user) { return *static_cast<Connection*>(user); }
  static Call* Find(void* user, int id) {
    const auto found = Self(user).calls_.find(id);
    return found == Self(user).calls_.end() ? nullptr : found->second.get();
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    if (name_size == 11 && std::memcmp(name, "grpc-status", 11) == 0) {
      if (Call* call = Find(user, frame->hd.stream_id)) call->is_ok = value_size == 1 && *value == '0';
    }
    return 0;
  }
  static int OnData(nghttp2_session*, std::uint8_t, int id, const std::uint8_t*, std::size_t size, void* user) {
    if (Call* call = Find(user, id)) call->received += size;
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) Self(user).is_ready_ = true;
    return 0;
  }
  static int OnClose(nghttp2_session*, int id, std::uint32_t error, void* user) {
    auto& calls = Self(user).calls_;
    const auto found = calls.find(id);
    if (found == calls.end()) return 0;
    const auto call = std::move(found->second);
    calls.erase(found);
    call->done({error == NGHTTP2_NO_ERROR && call->is_ok, call->received, Clock::now() - call->start});
    return 0;
  }
  static ssize_t ReadBody(nghttp2_session*, int, std::uint8_t* to, std::size_t size, std::uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    Call& call = *static_cast<Call*>(source->ptr);
    std::size_t filled = 0;
    while (filled < size && call.left > 0) {
      const std::size_t at = (call.body.size() - call.left % call.body.size()) % call.body.size();
      const std::size_t piece = std::min({size - filled, call.body.size() - at, std::size_t(call.left)});
      std::memcpy(to + filled, call.body.data() + at, piece);
      filled += piece;
      call.left -= piece;
    }
    if (call.left == 0) *flags = NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(filled);
  }
  static ssize_t HoldOpen(nghttp2_session*, int, std::uint8_t*, std::size_t, std::uint32_t*, nghttp2_data_source*,
                          void*) {
    return NGHTTP2_ERR_DEFERRED;
  }
  static ssize_t FrameLength(nghttp2_session*, std::uint8_t, int, std::int32_t session_window,
                             std::int32_t stream_window, std::uint32_t max_frame, void*) {
    return std::min({session_window, stream_window, static_cast<std::int32_t>(std::min(max_frame, kFrame))});
  }
};

Connection::Connection(const Target& target) : fd_(Connect(target)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::OnClose);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, Callbacks::FrameLength);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 3> settings{{{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow},
                                                        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrame},
                                                        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 4 * kWindow);
  if (target.tls) {
    tls_ = SSL_new(target.tls);
    SSL_set_fd(tls_, fd_);
    SSL_set_connect_state(tls_);
  }
}

Connection::~Connection() {
  calls_.clear();
  SSL_free(tls_);
  close(fd_);
  nghttp2_session_del(session_);
}

bool Connection::wants_write() const { return sent_ < unsent_.size() || nghttp2_session_want_write(session_) != 0; }

void Connection::Start(const Request& request, std::string_view body, std::uint64_t repeat,
                       std::function<void(Outcome)> done) {
  static const std::vector<std::pair<std::string, std::string>> kUsual = {{":method", "POST"},
                                                                          {":scheme", "http"},
                                                                          {":authority", "bench.local"},
                                                                          {"te", "trailers"},
                                                                          {"content-type", "application/grpc"},
                                                                          {"user-agent", "spark-gateway-bench"}};
  static const std::string kPath = ":path";
  std::vector<nghttp2_nv> fields;
  fields.reserve(kUsual.size() + 1 + request.headers.size());
  for (const auto& [name, value] : kUsual) fields.push_back(Field(name, value));
  fields.insert(fields.begin() + 3, Field(kPath, request.path));
  for (const auto& [name, value] : request.headers) fields.push_back(Field(name, value));

  auto call = std::make_unique<Call>();
  call->body = body;
  call->left = body.size() * repeat;
  call->done = std::move(done);
  call->start = Clock::now();
  const nghttp2_data_provider data{{.ptr = call.get()}, body.empty() ? Callbacks::HoldOpen : Callbacks::ReadBody};
  const int id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), &data, nullptr);
  calls_.emplace(id, std::move(call));
}

void Connection::OnReady() {
  Read();
  Write();
}

long Connection::TlsError(int result) const {
  const int error = SSL_get_error(tls_, result);
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
  return -1;
}

long Connection::Receive(void* to, std::size_t size) {
  if (!tls_) return recv(fd_, to, size, 0);
  const int got = SSL_read(tls_, to, static_cast<int>(size));
  return got > 0 ? got : TlsError(got);
}

long Connection::Send(const void* from, std::size_t size) {
  if (!tls_) return send(fd_, from, size, MSG_NOSIGNAL);
  const int sent = SSL_write(tls_, from, static_cast<int>(size));
  return sent > 0 ? sent : TlsError(sent);
}

void Connection::Read() {
  static std::array<std::uint8_t, 256 << 10> buffer;
  while (!is_closed_) {
    const long got = Receive(buffer.data(), buffer.size());
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || nghttp2_session_mem_recv(session_, buffer.data(), static_cast<std::size_t>(got)) != got)
      return Close();
  }
}

void Connection::Write() {
  while (!is_closed_) {
    Fill();
    if (unsent_.empty()) return;
    const long sent = Send(unsent_.data() + sent_, unsent_.size() - sent_);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) return Close();
    bytes_sent_ += static_cast<std::uint64_t>(sent);
    sent_ += static_cast<std::size_t>(sent);
  }
}

// Small frames leave together.
void Connection::Fill() {
  if (sent_ < unsent_.size()) return;
  unsent_.clear();
  sent_ = 0;
  while (unsent_.size() < kTogether) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) return Close();
    if (size == 0) return;
    unsent_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
}

void Connection::Close() {
  is_closed_ = true;
  const auto calls = std::move(calls_);
  calls_.clear();
  for (const auto& [id, call] : calls) call->done({false, call->received, Clock::now() - call->start});
}

}  // namespace sgw::bench
