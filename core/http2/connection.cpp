#include "core/http2/connection.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/http2/frames.h"

namespace sgw::core {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMaxOutputBytes = 512 * 1024;  // framed and not yet taken by the kernel
// Answers to the peer's frames that wait for it to read, beside four for each stream.
constexpr std::size_t kMaxQueuedFrames = 1'000;
// Frames without a use: so many at once, and so many more in each tick.
constexpr int kMaxUseless = 1'000;
constexpr int kUselessPerTick = 200;
constexpr int kMaxParts = 64;
constexpr int kReadsPerTurn = 8;
constexpr int kReadsAtEnd = 64;  // more than a socket holds
constexpr std::int32_t kConnectionWindow = 64 * 1024 * 1024;
constexpr auto kTick = std::chrono::seconds(2);
constexpr std::uint32_t kControlBytes = 4096;
// What `limits.header_bytes` may let in fits, with what is added on the way.
constexpr std::size_t kMaxSentHeaders = (1024 + 256) * 1024;
constexpr std::size_t kFrameBytes = 16 * 1024;

}  // namespace

Connection::Connection(Worker& worker, const ConnectionOptions& options, bool is_server)
    : worker_(worker),
      options_(options),
      is_server_(is_server),
      account_(std::make_shared<HeldAccount>(worker, options.max_held_bytes, options.budget, options.on_incident)),
      last_read_(steady_clock::now()),
      last_stream_(last_read_) {}

Connection::Output::Output(Connection& owner) : Holder(owner.account_), connection(owner) { account()->output = this; }

Connection::Output::~Output() { LetGo(); }

void Connection::Output::LetGo() {
  account()->output = nullptr;
  Release(bytes());
}

void Connection::Output::OnCondemned() {
  // The bytes go with this turn of the loop; nobody else is to go for them.
  LetGo();
  connection.Close();
}

Connection::~Connection() {
  for (auto& [id, stream] : streams_) stream->connection_ = nullptr;
  if (session_) nghttp2_session_del(session_);
}

void Connection::Begin(std::unique_ptr<Transport> transport, const nghttp2_settings_entry* settings,
                       std::size_t count) {
  transport_ = std::move(transport);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_peer_max_concurrent_streams(option, 100);
  nghttp2_option_set_max_send_header_block_length(option, kMaxSentHeaders);
  nghttp2_option_set_max_settings(option, 64);
  nghttp2_option_set_max_outbound_ack(option, 1000);
  nghttp2_option_set_stream_reset_rate_limit(option, 1000, 100);
  nghttp2_option_set_max_continuations(option, 16 + options_.max_header_bytes / kFrameBytes);
  if (is_server_) {
    nghttp2_session_server_new2(&session_, SessionCallbacks(), this, option);
  } else {
    nghttp2_session_client_new2(&session_, SessionCallbacks(), this, option);
  }
  nghttp2_option_del(option);
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, count);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  ScheduleFlush();
  OnTick();
}

std::shared_ptr<Stream> Connection::MakeStream(std::int32_t id, std::int32_t window) {
  auto stream = std::make_shared<Stream>(this, account_, id);
  stream->window_ = window;
  Adopt(stream);
  return stream;
}

void Connection::Adopt(const std::shared_ptr<Stream>& stream) { streams_[stream->id()] = stream; }

void Connection::Close() {
  if (is_closed_) return;
  is_closed_ = true;
  tick_.Cancel();
  // nghttp2 may be calling us: the streams hear of it from the loop.
  worker_.Post([self = shared_from_this()] {
    auto streams = std::move(self->streams_);
    self->streams_.clear();
    self->last_found_ = nullptr;
    for (auto& [id, stream] : streams) {
      const bool is_sent = stream->is_sent();
      stream->connection_ = nullptr;
      stream->queue_.clear();
      stream->queued_bytes_ = 0;
      if (stream->handler_) {
        stream->handler_->OnClosed({CloseReason::kConnectionLost, ErrorCode::kInternalError, is_sent});
      }
    }
    self->unheard_.LetGo();
    self->output_.clear();
    if (self->is_ending_gently_) {
      // The peer is to read the last GOAWAY and what was sent before it.
      return Transport::CloseGently(self->worker_, std::move(self->transport_), [self] { self->OnClosed(); });
    }
    if (self->transport_) self->transport_->Close();
    self->OnClosed();
  });
}

void Connection::WaitReadable() {
  transport_->WaitForRead([self = shared_from_this()] { self->OnReadable(); });
}

bool Connection::ReadSome() {
  SlabPool& pool = SlabPool::Mine();
  Buffer& slab = pool.Writable();
  const std::uint32_t room = slab.room();
  char* start = slab.data() + slab.used;
  const ssize_t size = transport_->Read(start, room);
  if (size == Transport::kAgain) return false;
  if (size <= 0) {
    Close();
    return false;
  }
  pool.Filled(static_cast<std::uint32_t>(size));
  last_read_ = steady_clock::now();
  std::vector<std::int32_t> late;
  if (is_server_) late = late_data_.In({start, static_cast<std::size_t>(size)}, past_streams_);
  receiving_ = &slab;
  const ssize_t taken = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(start), size);
  receiving_ = nullptr;
  pool.Rewind();
  for (const std::int32_t id : late) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_STREAM_CLOSED);
  }
  if (taken < 0) {
    const bool is_flood = taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ||
                          taken == NGHTTP2_ERR_CALLBACK_FAILURE;
    Incident(is_flood ? "flood" : "bad_protocol");
    Close();
  } else if (nghttp2_session_get_outbound_queue_size(session_) > kMaxQueuedFrames + 4 * streams_.size()) {
    Incident("flood");
    Close();
  }
  return !is_closed_ && static_cast<std::uint32_t>(size) == room;
}

void Connection::OnReadable() {
  if (is_closed_) return;
  for (int i = 0; i < kReadsPerTurn && ReadSome(); ++i) continue;
  if (is_closed_) return;
  ScheduleFlush();
  if (!transport_->has_buffered()) return WaitReadable();
  worker_.Post([self = shared_from_this()] { self->OnReadable(); });
}

void Connection::ScheduleFlush() {
  if (is_flush_scheduled_ || is_closed_ || is_waiting_writable_) return;
  is_flush_scheduled_ = true;
  worker_.AtEndOfTurn([self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->Flush();
  });
}

void Connection::AppendControl(const char* data, std::size_t size) {
  output_bytes_ += size;
  enqueued_ += static_cast<std::int64_t>(size);
  // Neighbouring small frames become one part of the writev. Not one that was offered already: it may be in a TLS
  // record that a full socket did not take, and which must be offered again as it was.
  if (!output_.empty() && !is_last_offered_ && !output_.back().stream &&
      output_.back().piece.size() + size <= kControlBytes && output_.back().piece.Extend({data, size})) {
    return;
  }
  output_.push_back({Piece::CopyWithRoom({data, size}, size < 512 ? 512 : 0), nullptr});
  is_last_offered_ = false;
}

bool Connection::FillOutput() {
  while (output_bytes_ < kMaxOutputBytes) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) {
      Incident(size == NGHTTP2_ERR_CALLBACK_FAILURE ? "flood" : "bad_protocol");
      Close();
      return false;
    }
    if (size == 0) break;
    AppendControl(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
  return !output_.empty();
}

void Connection::Flush() {
  // A stream that is dropped by what it hears must not take the connection with it in here.
  const auto self = shared_from_this();
  while (!is_closed_ && FillOutput()) {
    std::array<iovec, kMaxParts> parts;
    int count = 0;
    for (auto at = output_.begin(); at != output_.end() && count < kMaxParts; ++at, ++count) {
      parts[count] = {const_cast<char*>(at->piece.data()), at->piece.size()};
    }
    is_last_offered_ = true;
    const ssize_t size = transport_->Write(parts.data(), count);
    if (size == Transport::kAgain) {
      is_waiting_writable_ = true;
      transport_->WaitWritable([self] {
        self->is_waiting_writable_ = false;
        self->Flush();
      });
      return;
    }
    if (size <= 0) return CloseUnwritable();
    Wrote(static_cast<std::size_t>(size));
  }
  if (is_closed_ || nghttp2_session_want_read(session_) || nghttp2_session_want_write(session_)) return;
  is_ending_gently_ = is_server_;
  Close();
}

// A driver may answer and go without reading the rest of a request: what it said lies in the socket.
void Connection::CloseUnwritable() {
  for (int i = 0; !is_server_ && i < kReadsAtEnd && ReadSome(); ++i) continue;
  Close();
}

bool Connection::BearsUseless() { return ++useless_frames_ <= kMaxUseless; }

void Connection::Wrote(std::size_t bytes) {
  written_ += static_cast<std::int64_t>(bytes);
  output_bytes_ -= bytes;
  while (bytes > 0) {
    Chunk& front = output_.front();
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, front.piece.size()));
    bytes -= size;
    std::shared_ptr<Stream> stream;
    if (size == front.piece.size()) {
      stream = std::move(front.stream);
      output_.pop_front();
    } else {
      stream = front.stream;
      front.piece.DropFront(size);
    }
    if (stream) stream->Written(size);
  }
}

void Connection::OnTick() {
  if (is_closed_) return;
  const auto now = steady_clock::now();
  if (!streams_.empty()) last_stream_ = now;
  useless_frames_ = std::max(0, useless_frames_ - kUselessPerTick);
  for (auto& [id, stream] : streams_) {
    for (Piece& piece : stream->queue_) piece.CopyOutIfWasteful();
  }
  for (Chunk& chunk : output_) chunk.piece.CopyOutIfWasteful();
  if (is_ping_open_ && last_read_ >= ping_sent_) is_ping_open_ = false;
  if (is_ping_open_ && now - ping_sent_ > options_.ping_timeout) {
    Incident("peer_silent");
    return Close();
  }
  if (!is_ping_open_ && now - last_read_ > options_.ping_interval && now - ping_sent_ > options_.ping_interval &&
      (options_.ping_without_streams || !streams_.empty())) {
    is_ping_open_ = true;
    ping_sent_ = now;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    ScheduleFlush();
  }
  if (streams_.empty() && now - last_stream_ > options_.idle_timeout) {
    // Whoever does not even read is not told.
    if (is_waiting_writable_) return Close();
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
    ScheduleFlush();
  }
  tick_ = worker_.StartTimer(kTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->OnTick();
  });
}

void Connection::FinishHeaders(Stream& stream, bool is_end) {
  const auto keep = stream.shared_from_this();
  if (is_end) stream.has_peer_ended_ = true;
  HeaderBlock block = std::move(stream.incoming_);
  stream.incoming_ = {};
  if (stream.refusal_) {
    const bool is_request = is_server_ && !std::exchange(stream.has_had_head_, true);
    if (is_request) return OnBadRequest(stream, std::move(block), is_end);
    return stream.Reset(stream.refusal_code());
  }
  if (stream.has_had_head_) {
    if (stream.handler_ && !stream.is_reset_) stream.handler_->OnEnd(std::move(block));
    return;
  }
  if (!is_server_ && block.Get(":status").substr(0, 1) == "1") return;  // informational
  stream.has_had_head_ = true;
  if (is_server_) OnRequest(stream);
  if (stream.handler_ && !stream.is_reset_) stream.handler_->OnHeaders(std::move(block), is_end);
}

void Connection::CloseStream(std::int32_t id, ErrorCode code) {
  const auto at = streams_.find(id);
  if (at == streams_.end()) return;
  const std::shared_ptr<Stream> stream = std::move(at->second);
  streams_.erase(at);
  if (last_found_ == stream.get()) last_found_ = nullptr;
  if (is_server_ && stream->has_peer_ended_ && !stream->is_reset_ && code == ErrorCode::kNoError) {
    past_streams_.Closed(id, PastStreams::End::kEnded);
  }
  StreamClose close{CloseReason::kEnded, code, stream->is_sent()};
  if (stream->is_reset_) {
    close.reason = stream->reset_reason_;
  } else if (code == ErrorCode::kRefusedStream) {
    close.reason = CloseReason::kNotProcessed;
  } else if (code != ErrorCode::kNoError || !(stream->has_peer_ended_ || stream->has_sent_end_)) {
    close.reason = CloseReason::kPeerReset;
  }
  stream->connection_ = nullptr;
  stream->queue_.clear();
  stream->queued_bytes_ = 0;
  if (stream->handler_) stream->handler_->OnClosed(close);
  last_stream_ = steady_clock::now();
  OnStreamsChanged();
}

}  // namespace sgw::core
