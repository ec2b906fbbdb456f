#include <algorithm>
#include <cstring>

#include "core/http2/connection.h"
#include "core/http2/frames.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxGoawayBytes = 16 * 1024;  // a client's

}  // namespace

// What nghttp2 tells us, in the order in which things happen to a stream.
struct Callbacks {
  static Connection& Of(void* user) { return *static_cast<Connection*>(user); }

  // Stays until nghttp2 closes the stream, which it does between events.
  static Stream* Find(Connection& connection, std::int32_t id) {
    Stream*& last = connection.last_found_;
    if (last && last->id() == id) return last;
    const auto at = connection.streams_.find(id);
    return at == connection.streams_.end() ? nullptr : last = at->second.get();
  }

  static int OnBeginFrame(nghttp2_session* session, const nghttp2_frame_hd* head, void* user) {
    Connection& connection = Of(user);
    if (!connection.is_server_) return 0;
    // nghttp2 keeps all of its text, which nobody counts.
    if (head->type == NGHTTP2_GOAWAY && head->length > kMaxGoawayBytes) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (head->type != NGHTTP2_HEADERS) return 0;
    // past_streams_ is ahead of nghttp2, as LateData has seen all heads of this read: a stream that is reset in the
    // same read is known as reset before it begins. nghttp2 passes over the reset of a stream that has not begun.
    const auto end = connection.past_streams_.Of(head->stream_id);
    if (end == PastStreams::End::kUncertain || connection.streams_.count(head->stream_id) != 0) return 0;
    if (end == PastStreams::End::kSkipped) {
      nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
    } else if (end == PastStreams::End::kEnded) {
      nghttp2_session_terminate_session(session, NGHTTP2_STREAM_CLOSED);
    } else {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, head->stream_id, NGHTTP2_STREAM_CLOSED);
    }
    return 0;
  }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Connection& connection = Of(user);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      connection.MakeStream(frame->hd.stream_id, Stream::kDefaultWindow);
    } else if (Stream* const stream = Find(connection, frame->hd.stream_id)) {
      stream->incoming_ = {};
    }
    return 0;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t flags, void* user) {
    Connection& connection = Of(user);
    Stream* const stream = Find(connection, frame->hd.stream_id);
    if (!stream) return 0;
    const HeaderField field{{reinterpret_cast<const char*>(name), name_size},
                            {reinterpret_cast<const char*>(value), value_size},
                            (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0};
    if (field.name == "content-type") stream->is_grpc_ = field.value.substr(0, 16) == "application/grpc";
    const ConnectionOptions& options = connection.options_;
    HeaderBlock& block = stream->incoming_;
    const std::size_t bytes = block.bytes() + 32 * block.size();
    const std::size_t size = name_size + value_size + 32;
    if (!stream->refusal_ && block.size() >= options.max_header_fields) Refuse(connection, *stream, "header_count");
    if (!stream->refusal_ && bytes + size > options.max_header_bytes) Refuse(connection, *stream, "header_bytes");
    if (!stream->refusal_) {
      block.Add(field);
      return 0;
    }
    return PassOver(connection, *stream, size);
  }

  static int OnInvalidHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t*, size_t name_size,
                             const uint8_t*, size_t value_size, uint8_t, void* user) {
    Connection& connection = Of(user);
    Stream* const stream = Find(connection, frame->hd.stream_id);
    if (!stream) return 0;
    if (!stream->refusal_) Refuse(connection, *stream, Stream::kInvalidHeader);
    return PassOver(connection, *stream, name_size + value_size + 32);
  }

  // What follows in a block that is refused is looked at for the form of the answer, but not for ever: a byte can stand
  // for a field of 4 KiB.
  static int PassOver(Connection& connection, Stream& stream, std::size_t size) {
    stream.refused_bytes_ += size;
    if (stream.refused_bytes_ <= 4 * connection.options_.max_header_bytes) return 0;
    stream.Reset(ErrorCode::kEnhanceYourCalm);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static void Refuse(Connection& connection, Stream& stream, const char* reason) {
    connection.Incident(reason);
    stream.refusal_ = reason;
  }

  static int Bears(Connection& connection) { return connection.BearsUseless() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE; }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Connection& connection = Of(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (Stream* const stream = Find(connection, frame->hd.stream_id)) {
          connection.FinishHeaders(*stream, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
        }
        return 0;
      case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
          const bool is_useless = frame->hd.length == 0 || frame->hd.length <= frame->data.padlen;
          return is_useless ? Bears(connection) : 0;
        }
        if (Stream* const stream = Find(connection, frame->hd.stream_id)) {
          stream->has_peer_ended_ = true;
          if (stream->handler_ && !stream->is_reset_) stream->handler_->OnEnd({});
        }
        return 0;
      case NGHTTP2_GOAWAY: connection.OnGoaway(frame->goaway.last_stream_id); return 0;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) return 0;
        connection.OnPeerSettings();
        return Bears(connection);
      case NGHTTP2_PRIORITY: return Bears(connection);
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) connection.OnPingAck();
        return 0;
      default: return 0;
    }
  }

  static int OnData(nghttp2_session* session, uint8_t, std::int32_t id, const uint8_t* bytes, size_t size, void* user) {
    Connection& connection = Of(user);
    // The connection's credit is returned on receipt: one unread stream must not silence its neighbours.
    nghttp2_session_consume_connection(session, size);
    Stream* const stream = Find(connection, id);
    if (!stream || !stream->handler_ || stream->is_reset_ || stream->is_condemned()) {
      nghttp2_session_consume_stream(session, id, size);
      return 0;
    }
    stream->Hold(size);
    if (stream->is_condemned() || !stream->handler_) {
      stream->Credit(size);
      return 0;
    }
    const char* data = reinterpret_cast<const char*>(bytes);
    stream->handler_->OnData(size < SlabPool::kCopyBelow
                                 ? Piece::Copy({data, size})
                                 : Piece(connection.receiving_, data, static_cast<std::uint32_t>(size)));
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, std::int32_t id, uint32_t code, void* user) {
    Of(user).CloseStream(id, static_cast<ErrorCode>(code));
    return 0;
  }

  static int BeforeFrameSend(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    Connection& connection = Of(user);
    Stream* const stream = Find(connection, frame->hd.stream_id);
    if (stream && stream->first_byte_at_ < 0) stream->first_byte_at_ = connection.enqueued_;
    return 0;
  }

  static int OnFrameSend(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Connection& connection = Of(user);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
      // nghttp2 ends a connection with too many resets with an internal error.
      connection.Incident(frame->goaway.error_code == NGHTTP2_INTERNAL_ERROR ? "flood" : "bad_protocol");
    }
    if (connection.is_server_ && frame->hd.type == NGHTTP2_RST_STREAM &&
        frame->rst_stream.error_code != NGHTTP2_NO_ERROR) {
      // One that nghttp2 sends by itself answers a breach of the protocol.
      Stream* const stream = Find(connection, frame->hd.stream_id);
      if (stream && stream->is_reset_) return 0;
      connection.Incident("bad_stream");
      return Bears(connection);
    }
    // A whole response makes the rest of the request pointless: the client is told to stop (RFC 9113, section 8.1).
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!connection.is_server_ || !may_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    Stream* const stream = Find(connection, frame->hd.stream_id);
    if (!stream) return 0;
    stream->has_sent_end_ = true;
    if (!stream->has_peer_ended_ && !stream->is_reset_) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static int OnFrameNotSend(nghttp2_session*, const nghttp2_frame* frame, int error, void* user) {
    // Not sent because the stream has just closed is no fault.
    if (error == NGHTTP2_ERR_STREAM_CLOSED || error == NGHTTP2_ERR_STREAM_CLOSING) return 0;
    Connection& connection = Of(user);
    Stream* const stream = Find(connection, frame->hd.stream_id);
    if (!stream || frame->hd.type == NGHTTP2_RST_STREAM) return 0;
    connection.Incident("frame_not_sent");
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      // nghttp2 never opened the stream, so it will not say that it closes.
      const bool is_unfit = error == NGHTTP2_ERR_FRAME_SIZE_ERROR || error == NGHTTP2_ERR_HEADER_COMP;
      if (is_unfit) {
        stream->is_reset_ = true;
        stream->reset_reason_ = CloseReason::kNotSent;
      }
      // If it is not unfit, a GOAWAY came first.
      connection.CloseStream(frame->hd.stream_id, is_unfit ? ErrorCode::kInternalError : ErrorCode::kRefusedStream);
      return 0;
    }
    stream->reset_reason_ =
        error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED ? CloseReason::kNotProcessed : CloseReason::kNotSent;
    stream->Reset(ErrorCode::kInternalError);
    return 0;
  }

  static ssize_t ReadBody(nghttp2_session* session, std::int32_t id, uint8_t*, size_t length, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    Stream& stream = *static_cast<Stream*>(source->ptr);
    const size_t size = std::min(length, stream.queued_bytes_);
    if (size == 0 && !stream.is_end_queued_) {
      stream.is_body_deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    if (size > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size == stream.queued_bytes_ && stream.is_end_queued_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!stream.trailers_.empty()) {
        const NameValues fields(stream.trailers_);
        if (nghttp2_submit_trailer(session, id, fields.data(), fields.size()) == 0) {
          *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        }
      }
    }
    return static_cast<ssize_t>(size);
  }

  static int SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t size, nghttp2_data_source* source,
                      void* user) {
    Connection& connection = Of(user);
    Stream& stream = *static_cast<Stream*>(source->ptr);
    connection.AppendControl(reinterpret_cast<const char*>(head), 9);
    stream.Framed(size);
    connection.output_bytes_ += size;
    connection.enqueued_ += static_cast<std::int64_t>(size);
    while (size > 0) {
      Piece& front = stream.queue_.front();
      if (front.size() <= size) {
        size -= front.size();
        connection.output_.push_back({std::move(front), stream.shared_from_this()});
        stream.queue_.pop_front();
      } else {
        connection.output_.push_back({front.TakeFront(static_cast<std::uint32_t>(size)), stream.shared_from_this()});
        size = 0;
      }
    }
    return 0;
  }

  static ssize_t FrameLength(nghttp2_session*, uint8_t, std::int32_t, std::int32_t, std::int32_t,
                             uint32_t max_frame_size, void*) {
    // Longer frames save nothing more, and nghttp2 keeps a buffer of the longest.
    return std::min<ssize_t>(max_frame_size, 64 * 1024);
  }
};

nghttp2_data_provider BodyOf(Stream& stream) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Callbacks::ReadBody;
  return provider;
}

const nghttp2_session_callbacks* SessionCallbacks() {
  static const nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, Callbacks::OnBeginFrame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Callbacks::OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(made, Callbacks::OnHeader);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, Callbacks::OnInvalidHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Callbacks::OnFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Callbacks::OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Callbacks::OnStreamClose);
    nghttp2_session_callbacks_set_before_frame_send_callback(made, Callbacks::BeforeFrameSend);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Callbacks::OnFrameSend);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, Callbacks::OnFrameNotSend);
    nghttp2_session_callbacks_set_send_data_callback(made, Callbacks::SendData);
    nghttp2_session_callbacks_set_data_source_read_length_callback(made, Callbacks::FrameLength);
    return made;
  }();
  return callbacks;
}

}  // namespace sgw::core
