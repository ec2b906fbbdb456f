#include "core/relay/stream_pair.h"

#include "core/relay/refusal.h"

namespace sgw::core {
namespace {

// Once a driver is there to take the bytes.
constexpr std::int32_t kClientWindow = 256 * 1024;
constexpr int kMaxAttempts = 4;

}  // namespace

StreamPair::StreamPair(UpstreamPool& pool, std::shared_ptr<Stream> client) : pool_(pool), client_(std::move(client)) {}

StreamPair::~StreamPair() {
  pool_.Leave(driver_side_);
  if (driver_) driver_->SetHandler(nullptr);
  client_->SetHandler(nullptr);
}

// --- The request's way ---

void StreamPair::OnHeaders(HeaderBlock headers, bool is_end) {
  has_client_ended_ = is_end;
  OnHead(std::move(headers));
}

void StreamPair::OnBadHeaders(HeaderBlock kept, bool is_end, const Status& why) {
  has_client_ended_ = is_end;
  OnBadHead(std::move(kept), why);
}

void StreamPair::OnData(Piece piece) {
  const std::size_t size = piece.size();
  bytes_from_client_ += size;
  if (state_ == State::kAnswered) return client_->Credit(size);
  if (state_ == State::kDeciding) {
    AppendPiece(held_, std::move(piece));
    held_bytes_ += size;
    OnHeld();
    // It waits, perhaps for long: it must not keep a slab that others have filled.
    if (state_ == State::kDeciding) held_.back().CopyOut();
    return;
  }
  if (state_ == State::kConnecting) piece.CopyOut();
  if (const Status status = request_.Add(std::move(piece)); !status.ok()) Refuse(status, "message");
}

void StreamPair::OnEnd(HeaderBlock) {
  has_client_ended_ = true;
  if (state_ == State::kAnswered) return;
  if (state_ == State::kDeciding) return OnHeld();
  if (const Status status = request_.End(); !status.ok()) Refuse(status, "message");
}

std::string_view StreamPair::Held(std::size_t bytes) {
  if (held_.empty()) return {};
  if (held_.size() == 1 || held_.front().size() >= bytes) return held_.front().view().substr(0, bytes);
  gathered_.clear();
  for (const Piece& piece : held_) gathered_.append(piece.view().substr(0, bytes - gathered_.size()));
  return gathered_;
}

void StreamPair::Connect(Endpoint endpoint) {
  if (state_ != State::kDeciding && state_ != State::kConnecting) return;
  endpoint_ = std::move(endpoint);
  if (state_ == State::kDeciding) {
    state_ = State::kConnecting;
    TakeHeld();
  }
  if (state_ == State::kConnecting) Attempt();
}

void StreamPair::TakeHeld() {
  gathered_ = {};
  const std::vector<Piece> held = std::exchange(held_, {});
  for (const Piece& piece : held) {
    if (const Status status = request_.Add(piece); !status.ok()) return Refuse(status, "message");
  }
  if (!has_client_ended_) return;
  if (const Status status = request_.End(); !status.ok()) Refuse(status, "message");
}

void StreamPair::Attempt() {
  ++attempts_;
  pool_.Get(endpoint_, driver_side_);
  if (state_ == State::kConnecting) request_.Wait();
}

void StreamPair::OnConnection(ClientConnection& connection) {
  const bool is_end = request_.is_empty();
  driver_ = connection.Open(DriverHead(endpoint_), is_end, driver_side_);
  if (!driver_) {
    if (attempts_ < kMaxAttempts) return Attempt();
    return Refuse(Unavailable("The driver " + endpoint_.address + " takes no more streams."), "upstream");
  }
  state_ = State::kRelaying;
  client_->RaiseWindow(kClientWindow);
  request_.SetStream(driver_.get(), is_end);
}

void StreamPair::OnNoConnection(const Status& why) {
  if (attempts_ < kMaxAttempts && OnUnreachable(endpoint_, why)) return;
  Refuse(why, "upstream");
}

void StreamPair::OnRequestSent(std::size_t bytes) { client_->Credit(request_.Sent(bytes)); }

// --- The response's way ---

void StreamPair::OnResponseHead(HeaderBlock headers, bool is_end) {
  if (state_ != State::kRelaying) return;
  has_driver_ended_ = is_end;
  const StatusCode code = CodeOfHead(headers, is_end);
  if (RefuseIfUnauthenticated(code)) return;
  has_response_started_ = true;
  if (!is_end) return client_->SendHeaders(headers, false);
  TakeAnswer(code);
  client_->SendHeaders(headers, true);
  state_ = State::kAnswered;
  StopDriver(ErrorCode::kNoError);
}

void StreamPair::OnResponseData(Piece piece) {
  if (state_ != State::kRelaying) {
    if (driver_) driver_->Credit(piece.size());
    return;
  }
  bytes_to_client_ += piece.size();
  OnResponseBytes(piece.view());
  client_->SendData(std::move(piece));
}

void StreamPair::OnResponseEnd(HeaderBlock trailers) {
  has_driver_ended_ = true;
  if (state_ != State::kRelaying) return;
  const StatusCode code = CodeOfTrailers(trailers);
  if (bytes_to_client_ == 0 && RefuseIfUnauthenticated(code)) return;
  TakeAnswer(code);
  client_->SendEnd(std::move(trailers));
  state_ = State::kAnswered;
  StopDriver(ErrorCode::kNoError);
}

void StreamPair::TakeAnswer(StatusCode code) {
  outcome_.code = code;
  is_driver_answer_ = true;
  if (code == StatusCode::kOk) pool_.Answered(endpoint_);
}

bool StreamPair::RefuseIfUnauthenticated(StatusCode code) {
  if (code != StatusCode::kUnauthenticated) return false;
  const Status status = OnUnauthenticated();
  if (status.ok()) return false;
  Refuse(status, "upstream");
  return true;
}

void StreamPair::OnSent(std::size_t bytes) {
  if (driver_) driver_->Credit(bytes);
}

void StreamPair::OnDriverClosed(const StreamClose& close) {
  request_.SetStream(nullptr);
  if (state_ != State::kRelaying) return;
  if (!close.is_sent && !has_response_started_ && close.reason != CloseReason::kNotSent && attempts_ < kMaxAttempts) {
    driver_.reset();
    state_ = State::kConnecting;
    return Attempt();
  }
  Refuse(StatusOfClose(close, endpoint_.address), "upstream");
}

// --- Endings ---

void StreamPair::Refuse(const Status& status, std::string_view refused_by) {
  if (state_ == State::kAnswered) return;
  outcome_ = {status.code(), std::string(refused_by), status.message()};
  is_driver_answer_ = false;
  state_ = State::kAnswered;
  pool_.Leave(driver_side_);
  StopDriver(ErrorCode::kCancel);
  DropRequest();
  if (has_response_started_) {
    client_->SendEnd(RefusalFields(status, false));
  } else {
    client_->SendHeaders(RefusalFields(status, true), true);
  }
  OnRefused();
}

void StreamPair::BeginAnswer(const HeaderBlock& head, std::string_view body) {
  if (state_ != State::kDeciding) return;
  state_ = State::kAnswered;
  // What holds until EndAnswer.
  outcome_ = {StatusCode::kCancelled, {}, "The client left."};
  DropRequest();
  client_->SendHeaders(head, false);
  ContinueAnswer(body);
}

void StreamPair::ContinueAnswer(std::string_view body) {
  bytes_to_client_ += body.size();
  client_->SendData(Piece::Copy(body));
}

void StreamPair::EndAnswer(HeaderBlock trailers, StatusCode code) {
  outcome_ = {code, {}, {}};
  client_->SendEnd(std::move(trailers));
}

// The client sends faster than the driver takes it.
void StreamPair::OnBudget() {
  Refuse(Unavailable("The gateway holds too much of what this client sends: its driver takes it too slowly."), "limit");
}

// The driver sends faster than the client takes it: what waits in its stream must go, and trailers would wait behind
// it, or for the client's window. For a gRPC client, REFUSED_STREAM is UNAVAILABLE.
void StreamPair::OnClientTooSlow() {
  if (state_ != State::kAnswered || is_driver_answer_) {
    outcome_ = {StatusCode::kUnavailable, "limit", "The client took its response too slowly."};
    is_driver_answer_ = false;
  }
  state_ = State::kAnswered;
  StopDriver(ErrorCode::kCancel);
  client_->Reset(ErrorCode::kRefusedStream);
  if (driver_) driver_->Credit(driver_->held_bytes());
  OnRefused();
}

void StreamPair::StopDriver(ErrorCode code) {
  if (!driver_) return;
  request_.SetStream(nullptr);
  const bool is_over = has_driver_ended_ && request_.has_ended() && driver_->queued_bytes() == 0;
  if (is_over) return;
  driver_->Reset(code);
  DropRequest();
}

void StreamPair::DropRequest() {
  held_ = {};
  request_.Stop();
  client_->Credit(client_->held_bytes());
}

void StreamPair::OnClosed(const StreamClose& close) {
  pool_.Leave(driver_side_);
  StopDriver(ErrorCode::kCancel);
  if (driver_) driver_->SetHandler(nullptr);
  driver_.reset();
  if (state_ != State::kAnswered) {
    outcome_ = {
        StatusCode::kCancelled,
        {},
        close.reason == CloseReason::kConnectionLost ? "The client's connection has gone." : "The client left."};
    is_driver_answer_ = false;
  }
  state_ = State::kAnswered;
  held_ = {};
  OnDone();
}

}  // namespace sgw::core
