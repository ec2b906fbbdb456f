#include "core/relay/request_side.h"

#include <algorithm>

namespace sgw::core {

void RequestSide::StampWith(std::string stamp) {
  stamp_ = Piece::Copy(stamp);
  stamper_.emplace(std::move(stamp));
}

void RequestSide::ReadFirst(const MethodFacts& facts, std::function<void(const FirstFields&)> on_first) {
  on_first_ = std::move(on_first);
  stamper_->ReadFirst(facts);
}

Status RequestSide::Add(Piece piece) {
  if (!stamper_) {
    Send(std::move(piece));
    return {};
  }
  passing_ = &piece;
  Status status = stamper_->Feed(piece.view(), *this);
  passing_ = nullptr;
  return status;
}

Status RequestSide::End() {
  if (stamper_) {
    if (Status status = stamper_->Finish(); !status.ok()) return status;
  }
  has_ended_ = true;
  if (stream_) stream_->SendEnd();
  return {};
}

void RequestSide::SetStream(Stream* stream, bool is_end_sent) {
  stream_ = stream;
  if (!stream_) return;
  for (const Piece& piece : kept_) stream_->SendData(piece);
  if (has_ended_ && !is_end_sent) stream_->SendEnd();
}

void RequestSide::Wait() {
  for (Piece& piece : kept_) piece.CopyOut();
}

void RequestSide::Stop() {
  stream_ = nullptr;
  kept_ = {};
}

std::size_t RequestSide::Sent(std::size_t bytes) {
  if (!was_sent_) {
    was_sent_ = true;
    kept_ = {};
  }
  const std::uint64_t from = sent_bytes_;
  const std::uint64_t to = sent_bytes_ += bytes;
  while (next_stamp_ < stamps_at_.size() && stamps_at_[next_stamp_] < to) {
    const std::uint64_t begin = stamps_at_[next_stamp_];
    const std::uint64_t end = begin + stamp_.size();
    bytes -= static_cast<std::size_t>(std::min(end, to) - std::max(begin, from));
    if (end > to) break;
    if (++next_stamp_ == stamps_at_.size()) {
      stamps_at_.clear();
      next_stamp_ = 0;
    }
  }
  return bytes;
}

void RequestSide::Pass(std::size_t offset, std::size_t size) {
  Piece part = *passing_;
  part.DropFront(static_cast<std::uint32_t>(offset));
  Send(part.TakeFront(static_cast<std::uint32_t>(size)));
}

void RequestSide::Prefix(std::string_view bytes) { Send(Piece::Copy(bytes)); }

void RequestSide::Stamp(std::string_view) {
  if (stamps_at_.size() > 64 && next_stamp_ > stamps_at_.size() / 2) {
    stamps_at_.erase(stamps_at_.begin(), stamps_at_.begin() + static_cast<std::ptrdiff_t>(next_stamp_));
    next_stamp_ = 0;
  }
  stamps_at_.push_back(added_bytes_);
  Send(stamp_);
}

void RequestSide::Send(Piece piece) {
  added_bytes_ += piece.size();
  if (!was_sent_) AppendPiece(kept_, piece);
  if (stream_) stream_->SendData(std::move(piece));
}

}  // namespace sgw::core
