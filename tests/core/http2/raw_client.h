// A client that writes the bytes of HTTP/2 itself, also those that no library would send. Blocking, on the test's
// thread.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sgw::core::testing {

// Connects to "127.0.0.1:port", "[::1]:port" or "unix:/path".
inline int RawConnect(const std::string& address) {
  signal(SIGPIPE, SIG_IGN);
  sockaddr_storage name{};
  socklen_t size = 0;
  const auto port = [&] {
    return htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  };
  if (address.rfind("unix:", 0) == 0) {
    auto* local = reinterpret_cast<sockaddr_un*>(&name);
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, address.data() + 5, address.size() - 5);
    size = sizeof(*local);
  } else if (address.front() == '[') {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&name);
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = in6addr_loopback;
    v6->sin6_port = port();
    size = sizeof(*v6);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&name);
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4->sin_port = port();
    size = sizeof(*v4);
  }
  const int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&name), size) == 0);
  return fd;
}

// What comes until the end; `is_clean` says whether it was an end and not a reset.
inline std::string ReadAll(int fd, bool* is_clean = nullptr) {
  std::string all;
  char bytes[4096];
  ssize_t size = 0;
  while ((size = recv(fd, bytes, sizeof(bytes), 0)) > 0) all.append(bytes, static_cast<std::size_t>(size));
  if (is_clean) *is_clean = size == 0;
  return all;
}

constexpr std::string_view kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

enum class FrameType : char {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
  kUnknown = 0x6a,
};

inline std::string BigEndian(std::uint32_t value, int bytes = 4) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

inline std::string FrameOf(FrameType type, int flags, std::uint32_t stream, std::string_view payload = {}) {
  std::string frame = BigEndian(static_cast<std::uint32_t>(payload.size()), 3);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  return frame.append(BigEndian(stream)).append(payload);
}

constexpr int kEndStream = 1;
constexpr int kAck = 1;
constexpr int kEndHeaders = 4;

// A field as HPACK writes one that is not indexed; `how` 0x40 puts it into the table.
inline std::string Literal(std::string_view name, std::string_view value, char how = 0) {
  const auto length = [](std::size_t size) {
    if (size < 127) return std::string(1, static_cast<char>(size));
    std::string text(1, 127);
    for (size -= 127; size >= 128; size >>= 7) text.push_back(static_cast<char>(size % 128 + 128));
    return text + static_cast<char>(size);
  };
  return std::string(1, how).append(length(name.size())).append(name).append(length(value.size())).append(value);
}

inline std::string RequestHead(std::string_view content_type = "application/grpc") {
  return Literal(":method", "POST") + Literal(":scheme", "http") + Literal(":path", "/x") + Literal(":authority", "t") +
         Literal("content-type", content_type);
}

class RawClient {
 public:
  explicit RawClient(const std::string& address) : fd_(RawConnect(address)) {
    Write(kPreface);
    Write(FrameOf(FrameType::kSettings, 0, 0));
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False: the peer has closed.
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  // As much as the peer takes before it stops reading for good or closes.
  void Push(std::string_view bytes, int patience_ms = 300) {
    while (!bytes.empty()) {
      pollfd wait{fd_, POLLOUT, 0};
      if (poll(&wait, 1, patience_ms) <= 0) return;
      const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0 && errno != EAGAIN) return;
      if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
    }
  }

  struct Frame {
    FrameType type;
    int flags;
    std::uint32_t stream;
    std::string payload;
  };
  // The next frame; none when the connection has ended.
  std::optional<Frame> Read() {
    char head[9];
    if (recv(fd_, head, 9, MSG_WAITALL) != 9) return std::nullopt;
    const auto byte = [&](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(head[i])); };
    Frame frame{static_cast<FrameType>(head[3]), head[4], byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8),
                std::string(byte(0) << 16 | byte(1) << 8 | byte(2), '\0')};
    const auto size = static_cast<ssize_t>(frame.payload.size());
    if (size > 0 && recv(fd_, frame.payload.data(), frame.payload.size(), MSG_WAITALL) != size) return std::nullopt;
    return frame;
  }
  // The next frame of this type, or none when the connection ends before it.
  std::optional<Frame> ReadUntil(FrameType type, std::uint32_t stream) {
    while (auto frame = Read()) {
      if (frame->type == type && frame->stream == stream) return frame;
    }
    return std::nullopt;
  }
  // The payloads of this stream's frames up to its end, or its reset's code as "reset N".
  std::string ReadStream(std::uint32_t stream) {
    std::string all;
    while (auto frame = Read()) {
      if (frame->stream != stream) continue;
      if (frame->type == FrameType::kReset) return "reset " + std::to_string(frame->payload.back());
      if (frame->type == FrameType::kHeaders || frame->type == FrameType::kData) {
        all += frame->payload;
        if ((frame->flags & kEndStream) != 0) return all;
      }
    }
    return "lost";
  }
  // Whether the peer ends the connection; everything until then is thrown away.
  bool HasEnded() {
    while (Read()) {
    }
    return true;
  }
  // A round trip: what was sent before has been seen.
  bool Ping() { return Write(FrameOf(FrameType::kPing, 0, 0, "12345678")) && ReadUntil(FrameType::kPing, 0); }

  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace sgw::core::testing
