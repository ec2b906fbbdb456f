// Stream: one HTTP/2 stream, the same on both sides of the gateway.
//
// A stream and its handler live on the worker of their connection. A Stream outlives its connection: after OnClosed
// every function of it does nothing.
//
// Flow control is in the owner's hands. Received bytes are held until Credit() says that they were taken; only then may
// the peer send as many again. Bytes that are received and not credited count against the connection's and the
// process's bounds (held.h), also after the stream has closed, until nobody hears the stream any more; at a bound the
// stream that is to go (held.h) hears OnBudget.
#pragma once

#include <sgw/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/http2/header_block.h"
#include "core/http2/held.h"
#include "core/http2/queue.h"
#include "core/http2/slab.h"

namespace sgw::core {

class Connection;

// RFC 9113, section 7.
enum class ErrorCode : std::uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kStreamClosed = 5,
  kFrameSizeError = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompressionError = 9,
  kEnhanceYourCalm = 11,
  kInadequateSecurity = 12,
};
// "REFUSED_STREAM".
std::string_view NameOf(ErrorCode code);

enum class CloseReason : std::uint8_t {
  kEnded,           // both sides ended as they should
  kPeerReset,       // RST_STREAM from the peer
  kLocalReset,      // Reset() here, or a frame of the stream broke the protocol
  kConnectionLost,  // the connection has gone
  kNotProcessed,    // the peer said that it did not look at the stream (GOAWAY, REFUSED_STREAM)
  kNotSent,         // a frame could not be sent
};

struct StreamClose {
  CloseReason reason = CloseReason::kEnded;
  ErrorCode code = ErrorCode::kNoError;
  // Whether any byte of the stream was given to the kernel. A request of which nothing was may go elsewhere.
  bool is_sent = false;
};

// Hears what happens to a stream. It may use the stream, and drop its reference to it, in any event.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // The head of a request or response; the final one, informational ones are passed over. `is_end`: no body comes.
  virtual void OnHeaders(HeaderBlock headers, bool is_end) = 0;
  // Of a request: the limits or HTTP itself refuse its head, of which this much was kept, so `why` is to be the answer.
  virtual void OnBadHeaders(HeaderBlock /*kept*/, bool /*is_end*/, const Status& /*why*/) {}
  virtual void OnData(Piece piece) = 0;
  // The peer ended its side. `trailers` is empty when it sent none.
  virtual void OnEnd(HeaderBlock trailers) = 0;
  // That many bytes of body were given to the kernel. Comes after OnClosed, too, but not after Reset().
  virtual void OnSent(std::size_t bytes) = 0;
  // A bound for held bytes is reached and this stream is to go: what it holds is to be dropped and credited now.
  // What still arrives for it is dropped. May come after OnClosed.
  virtual void OnBudget() = 0;
  // The stream has gone.
  virtual void OnClosed(const StreamClose& close) = 0;
};

class Stream : public std::enable_shared_from_this<Stream>, private Holder {
 public:
  Stream(Connection* connection, std::shared_ptr<HeldAccount> account, std::int32_t id)
      : Holder(std::move(account)), connection_(connection), id_(id) {}

  // Null: nobody hears the stream any more; what it holds and what arrives is credited and dropped.
  void SetHandler(StreamHandler* handler);

  // The head of a response (a request's is given to ClientConnection::Open). `is_end`: nothing follows.
  void SendHeaders(const HeaderBlock& headers, bool is_end);
  // Queues body bytes; they go when the peer's window lets them.
  void SendData(Piece piece);
  // Ends this side after what is queued, with trailers when there are any.
  void SendEnd(HeaderBlock trailers = {});
  // Ends the stream now; what is queued is dropped. OnClosed(kLocalReset) follows from the loop.
  void Reset(ErrorCode code);

  // The owner took that many received bytes.
  void Credit(std::size_t bytes);
  // Lets the peer send this many bytes ahead, from the next Credit() on; never less than before.
  void RaiseWindow(std::int32_t bytes);

  bool is_open() const { return connection_ != nullptr; }
  std::int32_t id() const { return id_; }
  std::size_t queued_bytes() const { return queued_bytes_; }  // to be sent, not in a frame yet
  std::size_t held_bytes() const { return bytes(); }          // received and not credited
  bool is_sent() const;

 private:
  friend class Connection;
  friend class ClientConnection;
  friend class ServerConnection;
  friend struct Callbacks;

  void Resume();
  void OnCondemned() override;
  // Nobody wants to know when the kernel takes what is in frames: it is the connection's to account for.
  bool is_output_let_go() const { return !handler_ || is_reset_; }
  ErrorCode refusal_code() const;
  void Framed(std::size_t bytes);
  void Written(std::size_t bytes);

  static constexpr char kInvalidHeader[] = "invalid_header";
  static constexpr std::int32_t kDefaultWindow = 65'535;
  static constexpr std::int32_t kMaxWindow = 2 * 1024 * 1024;

  Connection* connection_;  // null once closed
  StreamHandler* handler_ = nullptr;
  std::int32_t id_;
  std::int32_t window_ = kDefaultWindow;
  std::size_t credited_since_growth_ = 0;
  bool is_raise_due_ = false;  // of the window, to window_
  Queue<Piece> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t framed_bytes_ = 0;  // in the connection's output
  HeaderBlock incoming_;
  const char* refusal_ = nullptr;  // why what is incoming is not taken: the word of its incident
  std::size_t refused_bytes_ = 0;
  bool is_grpc_ = false;  // by its content-type
  HeaderBlock trailers_;
  bool is_body_deferred_ = false;  // nghttp2 waits for more of our body
  bool has_sent_head_ = false;
  bool is_end_queued_ = false;
  bool has_had_head_ = false;
  bool has_peer_ended_ = false;
  bool has_sent_end_ = false;  // a server's stream only
  bool is_reset_ = false;
  CloseReason reset_reason_ = CloseReason::kLocalReset;
  std::int64_t first_byte_at_ = -1;  // place in the connection's output
};

}  // namespace sgw::core
