// A driver that speaks HTTP/2 frame by frame, so that a test can make it misbehave at any of them.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sgw/testing/temp_dir.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sgw::core::testing {

struct RawFrame {
  static constexpr std::uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoaway = 7, kWindow = 8;
  static constexpr std::uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::int32_t stream = 0;
  std::string payload;
};

// One accepted connection. Safe for concurrent use.
class RawLink {
 public:
  RawLink(int fd, std::size_t place) : index(place), fd_(fd) {}
  ~RawLink() {
    Close();
    close(fd_);
  }

  void Send(std::uint8_t type, std::uint8_t flags, std::int32_t stream, const std::string& payload = "") {
    Write(Framed(type, flags, stream, payload));
  }
  void Setting(std::uint16_t id, std::uint32_t value) {
    Send(RawFrame::kSettings, 0, 0, std::string{static_cast<char>(id >> 8), static_cast<char>(id)} + Number(value));
  }
  // SETTINGS and GOAWAY in one write: nobody asks for anything in between.
  void Leave() {
    Write(Framed(RawFrame::kSettings, 0, 0, "") + Framed(RawFrame::kGoaway, 0, 0, Number(0) + Number(0)));
  }
  void Goaway(std::int32_t last_stream) {
    Send(RawFrame::kGoaway, 0, 0, Number(static_cast<std::uint32_t>(last_stream)) + Number(0));
  }
  void Reset(std::int32_t stream, std::uint32_t code) { Send(RawFrame::kReset, 0, stream, Number(code)); }
  void Window(std::int32_t stream, std::uint32_t more) { Send(RawFrame::kWindow, 0, stream, Number(more)); }
  // A whole answer: `:status: 200` and `grpc-status: 0`, and no message.
  void Answer(std::int32_t stream) {
    const std::string head = std::string("\x88") + '\0' + "\x0bgrpc-status\x01" + '0';
    Send(RawFrame::kHeaders, RawFrame::kEndHeaders | RawFrame::kEndStream, stream, head);
  }
  void Close() { shutdown(fd_, SHUT_RDWR); }
  // Ends with a reset of TCP, which throws away what is on its way.
  void Abort() {
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    const std::lock_guard lock(mutex_);
    const int dead = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    dup2(dead, fd_);
    close(dead);
  }

  // False at the end.
  bool Read(char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t got = recv(fd_, data, size, 0);
      if (got <= 0) return false;
      data += got;
      size -= static_cast<std::size_t>(got);
    }
    return true;
  }
  bool Read(RawFrame& frame) {
    std::array<unsigned char, 9> head{};
    if (!Read(reinterpret_cast<char*>(head.data()), head.size())) return false;
    frame.type = head[3];
    frame.flags = head[4];
    frame.stream = (head[5] & 0x7F) << 24 | head[6] << 16 | head[7] << 8 | head[8];
    frame.payload.resize(static_cast<std::size_t>(head[0] << 16 | head[1] << 8 | head[2]));
    return Read(frame.payload.data(), frame.payload.size());
  }

  const std::size_t index;  // in the order of accepting

 private:
  static std::string Number(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
  }

  static std::string Framed(std::uint8_t type, std::uint8_t flags, std::int32_t stream, const std::string& payload) {
    const std::string head{static_cast<char>(payload.size() >> 16), static_cast<char>(payload.size() >> 8),
                           static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags)};
    return head + Number(static_cast<std::uint32_t>(stream)) + payload;
  }
  void Write(const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    [[maybe_unused]] const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  const int fd_;
  std::mutex mutex_;  // Frames leave whole.
};

class RawDriver {
 public:
  struct Script {
    // A connection came; it has sent nothing yet. Without this, SETTINGS answer at once.
    std::function<void(RawLink&)> on_open = nullptr;
    // A frame came. On the connection's own thread, which reads no further meanwhile.
    std::function<void(RawLink&, const RawFrame&)> on_frame = nullptr;
    bool is_unix = false;
    bool listens = true;
  };

  explicit RawDriver(Script script) : script_(std::move(script)) {
    fd_ = socket(script_.is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (script_.is_unix) {
      sockaddr_un name{};
      name.sun_family = AF_UNIX;
      (folder_.path() + "/socket").copy(name.sun_path, sizeof(name.sun_path) - 1);
      REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
      address = "unix:" + folder_.path() + "/socket";
    } else {
      sockaddr_in name{};
      name.sin_family = AF_INET;
      name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(name);
      REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&name), size) == 0);
      getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size);
      address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    }
    if (script_.listens) Listen();
  }
  ~RawDriver() {
    shutdown(fd_, SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    close(fd_);
    for (const auto& link : links) link->Close();
    for (auto& reader : readers_) reader.join();
  }

  // Until then a connection is refused.
  void Listen() {
    REQUIRE(listen(fd_, 100) == 0);
    acceptor_ = std::thread([this] { Accept(); });
  }

  bool WaitFor(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }
  // How many frames of that type have come, over all connections; under WaitFor.
  std::size_t Count(std::uint8_t type) const {
    std::size_t count = 0;
    for (const auto& frame : frames) count += frame.type == type;
    return count;
  }
  // HEADERS: how often a request was sent.
  std::size_t Requests() {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& frame : frames) count += frame.type == RawFrame::kHeaders;
    return count;
  }

  std::string address;
  // Guarded by mutex_; look at them within WaitFor.
  std::vector<std::shared_ptr<RawLink>> links;
  std::vector<RawFrame> frames;
  std::atomic<std::size_t> ended{0};  // connections

 private:
  void Accept() {
    while (true) {
      const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      links.push_back(std::make_shared<RawLink>(fd, links.size()));
      readers_.emplace_back([this, link = links.back()] { Serve(*link); });
      changed_.notify_all();
    }
  }
  void Serve(RawLink& link) {
    std::array<char, 24> preface{};
    if (script_.on_open) {
      script_.on_open(link);
    } else {
      link.Send(RawFrame::kSettings, 0, 0);
    }
    RawFrame frame;
    if (link.Read(preface.data(), preface.size())) {
      while (link.Read(frame)) {
        {
          const std::lock_guard lock(mutex_);
          frames.push_back({frame.type, frame.flags, frame.stream, frame.payload.substr(0, 64)});
          changed_.notify_all();
        }
        if (script_.on_frame) script_.on_frame(link, frame);
      }
    }
    link.Close();
    const std::lock_guard lock(mutex_);
    ++ended;
    changed_.notify_all();
  }

  Script script_;
  int fd_;
  const sgw::testing::TempDir folder_;
  std::thread acceptor_;
  std::vector<std::thread> readers_;
  std::mutex mutex_;  // Guards links, frames, ended, readers_.
  std::condition_variable changed_;
};

}  // namespace sgw::core::testing
