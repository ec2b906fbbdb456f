// Call: one gRPC call of a client, from its HEADERS to the record that is made of it.
//
// It decides where its StreamPair leads: health checks are answered here, a call of Spark Connect goes to its session's
// server as soon as the first message says which session that is, any other one is routed by itself. Without an auth
// step nothing is read or stamped, and every service is routed by itself.
//
// Lives on one worker, in its WorkerRelay, until the client's stream has closed.
#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/connect/first_fields.h"
#include "core/connect/reply_reader.h"
#include "core/http2/server_connection.h"
#include "core/pipeline/pipeline.h"
#include "core/pipeline/records.h"
#include "core/relay/health.h"
#include "core/relay/stream_pair.h"
#include "core/session/sessions.h"

namespace sgw::core {

class WorkerRelay;

class Call final : public StreamPair, public boost::intrusive::list_base_hook<> {
 public:
  Call(WorkerRelay& home, ServerConnection& connection, std::shared_ptr<Stream> client);
  ~Call() override;

  // The gateway does not wait any longer.
  void GiveUp();
  // The gateway drains: whoever watches its health is told.
  void TellDraining();
  // A health check, which no drain waits for.
  bool is_health() const { return health_ != HealthMethod::kNone; }

 private:
  friend class WorkerRelay;

  // What the held bytes wait for. A request that is not gRPC is answered with its first bytes or its end: where these
  // break the rules of HTTP/2, that is the answer.
  enum class Awaits : std::uint8_t { kNothing, kFirstMessage, kHealthRequest, kHttpBody };

  void OnHead(HeaderBlock head) override;
  void OnBadHead(HeaderBlock kept, const Status& why) override;
  void OnHeld() override;
  HeaderBlock DriverHead(const Endpoint& endpoint) override;
  HeaderBlock RefusalFields(const Status& status, bool is_head) override;
  void OnResponseBytes(std::string_view bytes) override;
  bool OnUnreachable(const Endpoint& endpoint, const Status& why) override;
  void OnRefused() override;
  Status OnUnauthenticated() override;
  void OnDone() override;

  // Asks a question; `done` may be called at once, or later, and then goes on with the next.
  template <typename Start>
  void Begin(Start start);
  void RefuseBy(const Status& status, std::string_view otherwise);

  void TakeHead(HeaderBlock head);
  void OnAuthenticated(const Status& status);
  void ReadFirstMessage();
  void OnPlaced(Result<Placement> placement);
  void OnAdmitted(const Status& status);
  void Learn(const FirstFields& fields);
  void BeginOperation();
  void RouteAlone();
  void FindServer();
  void OnFound(const Result<Found>& found);
  void AnswerHealth();
  void AnswerHttp();

  // call_end.cpp
  void LetGoOfSession();
  void RecordEvent(std::uint32_t event);
  std::chrono::nanoseconds duration() const;

  WorkerRelay& home_;
  const std::shared_ptr<const Pipeline> pipeline_;
  CallContext context_;
  const MethodFacts* method_ = nullptr;  // set for Spark Connect with an auth step
  FirstFields fields_;
  Awaits awaits_ = Awaits::kNothing;
  const Status peer_status_;
  HealthMethod health_ = HealthMethod::kNone;
  bool is_watching_ = false;   // the gateway's health, and was told of it
  bool is_beginning_ = false;  // admitted; its operation begins when the first message is whole
  bool has_operation_ended_ = false;
  std::unique_ptr<Run> run_;
  unsigned asked_ = 0;
  std::vector<Endpoint> tried_;  // a call that is routed by itself could not reach these
  Status unreachable_;
  std::optional<RecordOf> admission_;  // borrowed by the question
  std::shared_ptr<SessionTicket> ticket_;
  std::optional<ReplyReader> reply_;
  const SteadyTime began_;
};

}  // namespace sgw::core
