// What the two HTTP/2 targets share: a connection of ours, its peer at the other end of a socket, and a script, made of
// the fuzzer's bytes, of what the peer sends and of what our side does with its streams in between.
//
// Everything runs on the fuzzer's thread: the worker's loop is run by hand until nothing is ready.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/http2/connection.h"
#include "core/worker/worker.h"
#include "tests/fuzz/input.h"

namespace sgw::fuzz {

using core::ErrorCode;
using core::HeaderBlock;
using core::Piece;
using core::Stream;

// Serves or uses one stream, and holds what it hears against what a StreamHandler is promised.
class Owner : public core::StreamHandler {
 public:
  // How it behaves by itself, bit by bit.
  enum Manner : std::uint8_t {
    kKeeps = 1,     // credits nothing until it is told to
    kEchoes = 2,    // sends back what it gets
    kAnswers = 4,   // ends its side when the peer has ended its own
    kLetsGo = 8,    // stops listening at the first data
    kHurries = 16,  // resets at the first data
  };

  explicit Owner(std::uint8_t manner) : manner_(manner) {}

  void OnHeaders(HeaderBlock, bool is_end) override {
    Require(is_heard() && !std::exchange(has_head_, true), "a stream has one head, before it closes");
    if (is_end) End();
  }
  void OnBadHeaders(HeaderBlock, bool is_end, const Status& why) override {
    Require(!why.ok(), "a refused head has a reason");
    OnHeaders({}, is_end);
  }
  void OnData(Piece piece) override {
    Require(has_head_ && !has_ended_ && is_heard(), "data comes between the head and the end");
    Require(!piece.empty(), "there is data in data");
    const std::size_t size = piece.size();
    if (manner_ & kEchoes) {
      Answer();
      Queue(std::move(piece));
    } else if (manner_ & kKeeps) {
      kept_.push_back(std::move(piece));
    }
    if (!(manner_ & kKeeps)) stream->Credit(size);
    if (manner_ & kHurries) Reset(ErrorCode::kCancel);
    if (manner_ & kLetsGo) LetGo();
  }
  void OnEnd(HeaderBlock) override {
    Require(has_head_ && is_heard(), "the end comes after the head");
    End();
  }
  void OnSent(std::size_t bytes) override {
    Require(!is_reset_ && !has_let_go_, "a stream that was reset does not hear what was sent");
    Require(bytes > 0 && bytes <= queued_, "no more is sent than was given");
    queued_ -= bytes;
  }
  void OnBudget() override {
    Reset(ErrorCode::kEnhanceYourCalm);
    Credit();
  }
  void OnClosed(const core::StreamClose&) override {
    Require(!std::exchange(is_closed_, true) && !has_let_go_, "a stream closes once");
    Require(!stream->is_open(), "a stream that closes is not open");
  }

  // What a script may do, in any state of the stream.
  void Answer() { stream->SendHeaders({{":status", "200"}, {"content-type", "application/grpc"}}, false); }
  void Send(std::size_t size) { Queue(Piece::Copy(std::string(size, 'd'))); }
  void Finish() { stream->SendEnd({{"grpc-status", "0"}}); }
  void Reset(ErrorCode code) {
    is_reset_ = is_reset_ || stream->is_open();
    stream->Reset(code);
  }
  void Credit() {
    kept_.clear();
    stream->Credit(stream->held_bytes());
  }
  void LetGo() {
    has_let_go_ = true;
    stream->SetHandler(nullptr);
  }

  bool is_done() const { return is_closed_ || has_let_go_; }

  std::shared_ptr<Stream> stream;

 private:
  void Queue(Piece piece) {
    const std::size_t before = stream->queued_bytes();
    stream->SendData(std::move(piece));
    queued_ += stream->queued_bytes() - before;
  }
  void End() {
    Require(!std::exchange(has_ended_, true), "the peer ends once");
    if (manner_ & kAnswers) Finish();
  }

  // Who has reset a stream, or let go of it, hears no more of what the peer sends.
  bool is_heard() const { return !is_closed_ && !is_reset_ && !has_let_go_; }

  const std::uint8_t manner_;
  std::vector<Piece> kept_;
  std::size_t queued_ = 0;
  bool has_head_ = false;
  bool has_ended_ = false;
  bool is_closed_ = false;
  bool is_reset_ = false;
  bool has_let_go_ = false;
};

// The peer's socket and the loop, for the length of one input.
class Scene {
 public:
  Scene() {
    static core::Worker the_worker("fuzz");
    worker = &the_worker;
    static const core::Timer timer = worker->StartTimer(std::chrono::hours(24), [] {});  // the loop's own descriptors
    first_free_ = FirstFree();
  }

  // Runs everything that is ready, and reads what our side has sent, unless the peer does not read.
  void Run() {
    do {
      worker->io().restart();
      while (worker->io().poll() > 0) worker->io().restart();
    } while (reads && Drain());
  }
  void Write(std::string_view bytes) {
    while (!bytes.empty() && peer >= 0) {
      const ssize_t size = send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
      Run();
      if (size <= 0) return;  // our side has closed, or is not reading
    }
  }
  void Frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
    const auto size = static_cast<std::uint32_t>(payload.size());
    std::string frame{static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size),
                      static_cast<char>(type), static_cast<char>(flags)};
    for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(stream >> shift);
    Write(frame.append(payload));
  }
  void HangUp() {
    if (peer >= 0) close(std::exchange(peer, -1));
    Run();
  }

  // After the connection and all owners have gone.
  void RequireNothingLeft() const {
    Require(budget.held == 0, "no byte is held by nobody");
    Require(core::SlabPool::Mine().slabs() <= 1, "no slab is used by nobody");
    Require(FirstFree() == first_free_, "no descriptor stays open");
  }

  core::Worker* worker;
  core::BufferBudget budget;
  int peer = -1;
  bool reads = true;

 private:
  static int FirstFree() {
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
  }
  bool Drain() const {
    std::array<char, 16 * 1024> bytes;
    bool has_read = false;
    while (peer >= 0 && recv(peer, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) has_read = true;
    return has_read;
  }

  int first_free_;
};

// One step of a script. `more` takes the steps that only one of the targets has.
template <typename More>
void Step(Scene& scene, std::vector<std::unique_ptr<Owner>>& owners, Input& input, More more) {
  const std::uint8_t step = input.Byte();
  const auto owner = [&]() -> Owner* {
    const std::size_t index = input.Byte();
    return owners.empty() ? nullptr : owners[index % owners.size()].get();
  };
  switch (step) {
    case 'f': {  // a frame whose length is right
      const std::uint8_t type = input.Byte(), flags = input.Byte(), stream = input.Byte();
      return scene.Frame(type, flags, stream, input.Text());
    }
    case 'd': {  // much data
      const std::uint8_t flags = input.Byte(), stream = input.Byte();
      return scene.Frame(0, flags & 1, stream, std::string(std::size_t{input.Byte()} * 64, 'd'));
    }
    case 'b':  // bytes as they are
      return scene.Write(input.Text());
    case 'r': scene.reads = !scene.reads; return scene.Run();
    case 'a':
      if (Owner* const one = owner()) one->Answer();
      return scene.Run();
    case 's':
      if (Owner* const one = owner()) one->Send(std::size_t{input.Byte()} * 256);
      return scene.Run();
    case 'e':
      if (Owner* const one = owner()) one->Finish();
      return scene.Run();
    case 'x':
      if (Owner* const one = owner()) one->Reset(ErrorCode::kCancel);
      return scene.Run();
    case 'c':
      if (Owner* const one = owner()) one->Credit();
      return scene.Run();
    case 'w':
      if (Owner* const one = owner()) one->stream->RaiseWindow(256 * 1024);
      return scene.Run();
    case 'l':
      if (Owner* const one = owner()) one->LetGo();
      return scene.Run();
    default: return more(step);
  }
}

}  // namespace sgw::fuzz
