// StreamPair: the bytes of one gRPC call, from the client's HEADERS to the trailers that it gets.
//
//   kDeciding ──▶ kConnecting ──▶ kRelaying ──▶ kAnswered ──▶ the client's stream closes: OnDone
//       └──────────────┴────── Refuse ─────────────┘
//
// While somebody decides where the call goes, what the client sends is held, inside the window that HTTP/2 starts with.
// Then a stream to a driver opens, and bytes flow both ways until the driver ends its response. Bytes are credited to
// the side that sent them when the kernel has taken them on the other. Only while the kernel was given nothing of the
// call may it try another connection or another endpoint. A client that leaves reaches the driver as
// RST_STREAM(CANCEL).
//
// It lives on the worker of its client's connection, and no longer than its owner keeps it after OnDone.
#pragma once

#include <sgw/values.h>

#include <memory>
#include <string>
#include <vector>

#include "core/http2/stream.h"
#include "core/relay/request_side.h"
#include "core/upstream/pool.h"

namespace sgw::core {

class StreamPair : public StreamHandler {
 public:
  StreamPair(UpstreamPool& pool, std::shared_ptr<Stream> client);
  ~StreamPair() override;

  // How it ended, or will end.
  struct Outcome {
    StatusCode code = StatusCode::kUnknown;
    std::string refused_by;  // empty when the driver answered, or the client left
    std::string message;     // of a refusal, or why it ended early
  };

 protected:
  enum class State : std::uint8_t { kDeciding, kConnecting, kRelaying, kAnswered };

  // --- What the owner is told ---
  virtual void OnHead(HeaderBlock head) = 0;
  // Of the request's head only this was kept, and `why` is to be the answer.
  virtual void OnBadHead(HeaderBlock /*kept*/, const Status& why) { Refuse(why, "http"); }
  // More of the request is held, or its end came.
  virtual void OnHeld() = 0;
  // The head to send to this endpoint.
  virtual HeaderBlock DriverHead(const Endpoint& endpoint) = 0;
  // The fields of a refusal.
  virtual HeaderBlock RefusalFields(const Status& status, bool is_head) = 0;
  // These bytes of the response are about to pass.
  virtual void OnResponseBytes(std::string_view) {}
  // No connection to the endpoint can be had, and nothing was sent. True: the owner looks for another one, and calls
  // Connect or Refuse, now or later.
  virtual bool OnUnreachable(const Endpoint&, const Status& /*why*/) { return false; }
  // A refusal: nothing that was asked for is wanted any more.
  virtual void OnRefused() {}
  // The driver answers UNAUTHENTICATED, and nothing before that. What the client hears; OK: the driver's own words.
  virtual Status OnUnauthenticated() { return {}; }
  // The last event: the client's stream has closed.
  virtual void OnDone() = 0;

  // --- What the owner does ---
  // Answers the client with this status now. Nothing happens when it has its answer already.
  void Refuse(const Status& status, std::string_view refused_by);
  // Answers instead of a driver, while kDeciding: the head and some bytes, more bytes, and the end.
  void BeginAnswer(const HeaderBlock& head, std::string_view body);
  void ContinueAnswer(std::string_view body);
  void EndAnswer(HeaderBlock trailers, StatusCode code);
  // Sends the call to this endpoint; what is held goes first, stamped if request() says so.
  void Connect(Endpoint endpoint);
  // The first `bytes` held bytes in one piece, as far as they are there; the view is good until the next call.
  std::string_view Held(std::size_t bytes);

  State state() const { return state_; }
  bool has_client_ended() const { return has_client_ended_; }
  std::size_t held_bytes() const { return held_bytes_; }
  RequestSide& request() { return request_; }
  const Endpoint& endpoint() const { return endpoint_; }  // without an address until Connect
  const Outcome& outcome() const { return outcome_; }
  // The driver's own answer, not one of ours.
  bool is_driver_answer() const { return is_driver_answer_; }
  std::uint64_t bytes_from_client() const { return bytes_from_client_; }
  std::uint64_t bytes_to_client() const { return bytes_to_client_; }
  UpstreamPool& pool() { return pool_; }

 private:
  // The driver's stream speaks through this; so does the pool.
  class Driver final : public StreamHandler, public UpstreamWaiter {
   public:
    explicit Driver(StreamPair& pair) : pair_(pair) {}
    void OnConnection(ClientConnection& connection) override { pair_.OnConnection(connection); }
    void OnNoConnection(const Status& why) override { pair_.OnNoConnection(why); }
    void OnHeaders(HeaderBlock headers, bool is_end) override { pair_.OnResponseHead(std::move(headers), is_end); }
    void OnData(Piece piece) override { pair_.OnResponseData(std::move(piece)); }
    void OnEnd(HeaderBlock trailers) override { pair_.OnResponseEnd(std::move(trailers)); }
    void OnSent(std::size_t bytes) override { pair_.OnRequestSent(bytes); }
    void OnBudget() override { pair_.OnClientTooSlow(); }
    void OnClosed(const StreamClose& close) override { pair_.OnDriverClosed(close); }

   private:
    StreamPair& pair_;
  };

  // The client's stream.
  void OnHeaders(HeaderBlock headers, bool is_end) override;
  void OnBadHeaders(HeaderBlock kept, bool is_end, const Status& why) override;
  void OnData(Piece piece) override;
  void OnEnd(HeaderBlock trailers) override;
  void OnSent(std::size_t bytes) override;
  void OnBudget() override;
  void OnClosed(const StreamClose& close) override;

  void TakeHeld();
  void Attempt();
  void OnConnection(ClientConnection& connection);
  void OnNoConnection(const Status& why);
  void OnRequestSent(std::size_t bytes);
  void OnResponseHead(HeaderBlock headers, bool is_end);
  void OnResponseData(Piece piece);
  void OnResponseEnd(HeaderBlock trailers);
  void TakeAnswer(StatusCode code);
  // True: the call was refused.
  bool RefuseIfUnauthenticated(StatusCode code);
  void OnClientTooSlow();
  void OnDriverClosed(const StreamClose& close);
  void StopDriver(ErrorCode code);
  void DropRequest();

  UpstreamPool& pool_;
  const std::shared_ptr<Stream> client_;
  std::shared_ptr<Stream> driver_;
  Driver driver_side_{*this};
  RequestSide request_;
  std::vector<Piece> held_;  // of the request, while kDeciding
  std::size_t held_bytes_ = 0;
  std::string gathered_;  // for Held()
  Endpoint endpoint_;
  int attempts_ = 0;
  Outcome outcome_;
  std::uint64_t bytes_from_client_ = 0;
  std::uint64_t bytes_to_client_ = 0;
  State state_ = State::kDeciding;
  bool has_client_ended_ = false;
  bool has_response_started_ = false;
  bool has_driver_ended_ = false;
  bool is_driver_answer_ = false;
};

}  // namespace sgw::core
