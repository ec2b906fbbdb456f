#include "core/http2/stream.h"

#include <algorithm>

#include "core/http2/connection.h"
#include "core/http2/frames.h"

namespace sgw::core {

std::string_view NameOf(ErrorCode code) { return nghttp2_http2_strerror(static_cast<std::uint32_t>(code)); }

void Stream::SetHandler(StreamHandler* handler) {
  const bool was_let_go = is_output_let_go();
  handler_ = handler;
  if (Holder* const output = account()->output; output && was_let_go != is_output_let_go()) {
    was_let_go ? output->Release(framed_bytes_) : output->Count(framed_bytes_);
  }
  if (!handler_) Credit(held_bytes());
}

void Stream::OnCondemned() {
  // There is one: without a handler nothing is held.
  const auto keep = shared_from_this();
  handler_->OnBudget();
}

ErrorCode Stream::refusal_code() const {
  return refusal_ == kInvalidHeader ? ErrorCode::kProtocolError : ErrorCode::kEnhanceYourCalm;
}

void Stream::Framed(std::size_t bytes) {
  queued_bytes_ -= bytes;
  framed_bytes_ += bytes;
  if (Holder* const output = account()->output; output && is_output_let_go()) output->Count(bytes);
}

void Stream::Written(std::size_t bytes) {
  framed_bytes_ -= bytes;
  if (!is_output_let_go()) return handler_->OnSent(bytes);
  if (Holder* const output = account()->output) output->Release(bytes);
}

void Stream::SendHeaders(const HeaderBlock& headers, bool is_end) {
  if (!connection_ || is_reset_ || has_sent_head_) return;
  has_sent_head_ = true;
  is_end_queued_ = is_end;
  const nghttp2_data_provider body = BodyOf(*this);
  const NameValues fields(headers);
  if (nghttp2_submit_response(connection_->session_, id_, fields.data(), fields.size(), is_end ? nullptr : &body) !=
      0) {
    reset_reason_ = CloseReason::kNotSent;
    return Reset(ErrorCode::kInternalError);
  }
  connection_->ScheduleFlush();
}

void Stream::SendData(Piece piece) {
  if (!connection_ || is_reset_ || is_end_queued_ || piece.empty()) return;
  queued_bytes_ += piece.size();
  if (!queue_.empty()) queue_.back().CopyOutIfWasteful();
  AppendPiece(queue_, std::move(piece));
  Resume();
}

void Stream::SendEnd(HeaderBlock trailers) {
  if (!connection_ || is_reset_ || is_end_queued_) return;
  trailers_ = std::move(trailers);
  is_end_queued_ = true;
  Resume();
}

void Stream::Resume() {
  if (is_body_deferred_) {
    is_body_deferred_ = false;
    nghttp2_session_resume_data(connection_->session_, id_);
  }
  connection_->ScheduleFlush();
}

void Stream::Reset(ErrorCode code) {
  if (!connection_ || is_reset_) return;
  if (Holder* const output = account()->output; output && !is_output_let_go()) output->Count(framed_bytes_);
  is_reset_ = true;
  queue_.clear();
  queued_bytes_ = 0;
  nghttp2_submit_rst_stream(connection_->session_, NGHTTP2_FLAG_NONE, id_, static_cast<std::uint32_t>(code));
  connection_->ScheduleFlush();
}

void Stream::Credit(std::size_t bytes) {
  bytes = std::min(bytes, held_bytes());
  if (bytes == 0) return;
  Release(bytes);
  if (!connection_ || is_reset_ || has_peer_ended_) return;
  nghttp2_session_consume_stream(connection_->session_, id_, bytes);
  // A reader that took two windows' worth and owes little keeps up: it is worth more bytes in flight.
  credited_since_growth_ += bytes;
  if (window_ > kDefaultWindow && window_ < kMaxWindow && held_bytes() < static_cast<std::size_t>(window_) / 2 &&
      credited_since_growth_ >= 2 * static_cast<std::size_t>(window_)) {
    RaiseWindow(std::min(2 * window_, kMaxWindow));
  }
  if (std::exchange(is_raise_due_, false)) {
    nghttp2_session_set_local_window_size(connection_->session_, NGHTTP2_FLAG_NONE, id_, window_);
    connection_->OnLongBody();
  }
  connection_->ScheduleFlush();
}

void Stream::RaiseWindow(std::int32_t bytes) {
  if (!connection_ || is_reset_ || has_peer_ended_ || bytes <= window_) return;
  window_ = bytes;
  credited_since_growth_ = 0;
  is_raise_due_ = true;
}

bool Stream::is_sent() const { return first_byte_at_ >= 0 && (!connection_ || connection_->written_ > first_byte_at_); }

}  // namespace sgw::core
