// RequestSide: the bytes of a request on their way from the client to the driver.
//
// It stamps them when it is told to, keeps what the kernel may still not have been given, so that a call of which
// nothing was sent can go elsewhere, and knows which of the sent bytes were the client's: only these are credited.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/connect/stamper.h"
#include "core/http2/stream.h"

namespace sgw::core {

class RequestSide : private RequestStamper::Sink {
 public:
  // Before the first Add: every message gets this stamp.
  void StampWith(std::string stamp);
  // After that: `on_first` is told once what the first message said, when all of it is here and before the driver can
  // have it. The facts outlive this.
  void ReadFirst(const MethodFacts& facts, std::function<void(const FirstFields&)> on_first);
  bool is_stamped() const { return stamper_.has_value(); }

  // The client sent this. Not OK: it must not go on, nor anything after it.
  Status Add(Piece piece);
  // The client ended its side. Not OK: not between two messages.
  Status End();
  bool has_ended() const { return has_ended_; }
  // The kernel took some of it.
  bool was_sent() const { return was_sent_; }
  // Nothing was added and nothing will be.
  bool is_empty() const { return has_ended_ && kept_.empty() && !was_sent_; }

  // From now on everything goes to this stream, first of all what was added so far. Null: to none.
  void SetStream(Stream* stream, bool is_end_sent = false);

  // There is no stream yet: what is kept gives up the slabs that others have filled.
  void Wait();
  // Nothing of the request goes on any more.
  void Stop();

  // The kernel took that many bytes of the stream. Returns how many of them were the client's.
  std::size_t Sent(std::size_t bytes);

 private:
  void Pass(std::size_t offset, std::size_t size) override;
  void Prefix(std::string_view bytes) override;
  void Stamp(std::string_view bytes) override;
  void First(const FirstFields& fields) override { on_first_(fields); }
  void Send(Piece piece);

  std::optional<RequestStamper> stamper_;
  std::function<void(const FirstFields&)> on_first_;
  Piece stamp_;
  Stream* stream_ = nullptr;
  const Piece* passing_ = nullptr;  // what the stamper reads just now
  std::vector<Piece> kept_;         // all that was added, until the kernel took the first byte
  bool was_sent_ = false;
  bool has_ended_ = false;
  std::uint64_t added_bytes_ = 0;  // with stamps
  std::uint64_t sent_bytes_ = 0;
  std::vector<std::uint64_t> stamps_at_;  // where unsent stamps begin, from next_stamp_ on
  std::size_t next_stamp_ = 0;
};

}  // namespace sgw::core
