// Connection: one HTTP/2 connection on one socket: what a server's and a client's have in common.
//
// Frames are nghttp2's; bytes of DATA are never copied between receiving and sending, except as slab.h says. All output
// of a turn of the loop leaves in one flush at its end. Created through std::make_shared; keeps itself alive until it
// is closed. Everything happens on its worker.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "core/http2/late_data.h"
#include "core/http2/options.h"
#include "core/http2/past_streams.h"
#include "core/http2/stream.h"
#include "core/http2/transport.h"

namespace sgw::core {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Worker& worker, const ConnectionOptions& options, bool is_server);
  virtual ~Connection();

  // Ends the connection now; its streams hear kConnectionLost.
  void Close();
  bool is_closed() const { return is_closed_; }
  std::size_t streams() const { return streams_.size(); }
  // Received on it and not credited, also by streams that have closed.
  std::size_t held_bytes() const { return account_->bytes; }
  Worker& worker() { return worker_; }

 protected:
  friend class Stream;
  friend struct Callbacks;

  // Begins HTTP/2 on a socket that is ready for it.
  void Begin(std::unique_ptr<Transport> transport, const nghttp2_settings_entry* settings, std::size_t count);
  // Reads what has arrived already.
  void OnReadableNow() { OnReadable(); }
  std::shared_ptr<Stream> MakeStream(std::int32_t id, std::int32_t window);
  void Adopt(const std::shared_ptr<Stream>& stream);
  void ScheduleFlush();
  void Incident(const char* reason) const {
    if (options_.on_incident) options_.on_incident(reason);
  }

  // A server's peer opened a stream and its head is whole.
  virtual void OnRequest(Stream&) {}
  // The same, but its head must not be read: it is over a bound or not HTTP. The stream is to be answered or reset.
  virtual void OnBadRequest(Stream&, HeaderBlock /*kept*/, bool /*is_end*/) {}
  virtual void OnGoaway(std::int32_t /*last_stream_id*/) {}
  virtual void OnPeerSettings() {}
  // A body that comes goes on, and its window was raised.
  virtual void OnLongBody() {}
  virtual void OnStreamsChanged() {}
  virtual void OnPingAck() {}
  // After the streams have heard; the connection may be let go of.
  virtual void OnClosed() {}

  Worker& worker_;
  const ConnectionOptions options_;
  const bool is_server_;
  const std::shared_ptr<HeldAccount> account_;
  std::unique_ptr<Transport> transport_;
  nghttp2_session* session_ = nullptr;

 private:
  // Holds what is in the output for streams that nobody hears any more.
  struct Output final : Holder {
    explicit Output(Connection& owner);
    ~Output() override;
    void OnCondemned() override;
    void LetGo();
    Connection& connection;
  };
  struct Chunk {
    Piece piece;
    std::shared_ptr<Stream> stream;  // set for body bytes, null for frame heads and other frames
  };

  void WaitReadable();
  void OnReadable();
  // Reads once. False when nothing more is there for now, or the connection has closed.
  bool ReadSome();
  void Flush();
  void CloseUnwritable();
  bool FillOutput();
  void AppendControl(const char* data, std::size_t size);
  void Wrote(std::size_t bytes);
  void OnTick();
  void CloseStream(std::int32_t id, ErrorCode code);
  // The peer sent one more frame that is of no use. False: that is an attack.
  bool BearsUseless();
  void FinishHeaders(Stream& stream, bool is_end);

  Output unheard_{*this};
  std::unordered_map<std::int32_t, std::shared_ptr<Stream>> streams_;
  Stream* last_found_ = nullptr;  // of streams_: frames of a stream come one after another, fields even more so
  PastStreams past_streams_;      // a server's
  LateData late_data_;            // a server's
  Queue<Chunk> output_;
  Buffer* receiving_ = nullptr;  // the slab that nghttp2 reads from just now
  std::size_t output_bytes_ = 0;
  bool is_last_offered_ = false;  // of output_: a write that took less than all of it had it
  std::int64_t enqueued_ = 0;
  std::int64_t written_ = 0;
  Timer tick_;
  std::chrono::steady_clock::time_point last_read_;
  std::chrono::steady_clock::time_point last_stream_;
  std::chrono::steady_clock::time_point ping_sent_;
  bool is_ping_open_ = false;
  bool is_flush_scheduled_ = false;
  bool is_waiting_writable_ = false;
  bool is_closed_ = false;
  bool is_ending_gently_ = false;
  int useless_frames_ = 0;
};

}  // namespace sgw::core
