#include "core/relay/call.h"

#include "core/connect/stamper.h"
#include "core/connect/status_details.h"
#include "core/relay/headers.h"
#include "core/relay/refusal.h"
#include "core/relay/relay.h"

namespace sgw::core {
namespace {

// So much of a request that is not gRPC is waited for.
constexpr std::size_t kHttpBody = 1024;

const HeaderBlock& GrpcHead() {
  static const HeaderBlock head{{":status", "200"}, {"content-type", "application/grpc"}};
  return head;
}

}  // namespace

Call::Call(WorkerRelay& home, ServerConnection& connection, std::shared_ptr<Stream> client)
    : StreamPair(home.pool(), std::move(client)),
      home_(home),
      pipeline_(home.relay().pipeline()),
      peer_status_(connection.peer_status()),
      began_(home.relay().clock().Now()) {
  context_.facts->listener = connection.listener();
  context_.facts->peer_address = connection.peer_address();
  context_.facts->tls = connection.tls_peer();
  if (!connection.companion()) connection.companion() = std::make_shared<Remembered>();
  context_.remembered = std::static_pointer_cast<Remembered>(connection.companion());
}

Call::~Call() = default;

template <typename Start>
void Call::Begin(Start start) {
  const unsigned mine = ++asked_;
  std::unique_ptr<Run> run = start();
  // Answered in line, it may have led to the next question already.
  if (asked_ == mine) run_ = std::move(run);
}

void Call::RefuseBy(const Status& status, std::string_view otherwise) {
  if (state() == State::kAnswered) return;
  if (context_.refused_by.empty()) context_.refused_by = otherwise;
  // A copy: what refuses is let go of on the way.
  Refuse(status, std::string(context_.refused_by));
}

void Call::TakeHead(HeaderBlock head) {
  CallFacts& facts = *context_.facts;
  facts.id = NewCallId();
  facts.traceparent = TraceParent(head.Get("traceparent"));
  facts.received = home_.relay().clock().Wall();
  facts.headers = std::move(head);
}

void Call::OnBadHead(HeaderBlock kept, const Status& why) {
  TakeHead(std::move(kept));
  RefuseBy(why, "http");
}

void Call::OnHead(HeaderBlock head) {
  TakeHead(std::move(head));
  const CallFacts& facts = *context_.facts;
  if (CheckRequest(facts.headers)) {
    context_.refused_by = "http";
    awaits_ = Awaits::kHttpBody;
    return OnHeld();
  }
  if (!peer_status_.ok()) {
    return RefuseBy(Unauthenticated("Your certificate is not accepted any more (" + peer_status_.message() +
                                    "). Connect again with one that is."),
                    "tls");
  }
  health_ = HealthMethodOf(facts.method());
  if (health_ != HealthMethod::kNone) {
    home_.DoNotWait();
    awaits_ = Awaits::kHealthRequest;
    return OnHeld();
  }
  if (!pipeline_->has_auth()) return RouteAlone();
  if (HasTwoCredentials(facts.headers)) {
    return RefuseBy(Unauthenticated("The call carries two credentials. Send one."), "auth");
  }
  Begin(
      [this] { return pipeline_->Authenticate(context_, [this](const Status& status) { OnAuthenticated(status); }); });
}

void Call::OnAuthenticated(const Status& status) {
  ++asked_;
  if (!status.ok()) return RefuseBy(status, "auth");
  if (!IsSparkConnect(context_.facts->method())) {
    if (!context_.only_bound.ok()) return RefuseBy(context_.only_bound, "auth");
    // No message says who it is.
    if (const Status claim = FillClaim(context_.identity, ""); !claim.ok()) return RefuseBy(claim, "auth");
    return RouteAlone();
  }
  method_ = &FactsOf(context_.facts->method());
  awaits_ = Awaits::kFirstMessage;
  OnHeld();
}

void Call::OnHeld() {
  if (awaits_ == Awaits::kFirstMessage) return ReadFirstMessage();
  if (awaits_ == Awaits::kHealthRequest) return AnswerHealth();
  if (awaits_ == Awaits::kHttpBody && (has_client_ended() || held_bytes() >= kHttpBody)) return AnswerHttp();
}

void Call::AnswerHttp() {
  const CallFacts& facts = *context_.facts;
  const HttpRefusal refusal = *CheckRequest(facts.headers);
  const std::string text = std::string(refusal.text) + " [call " + facts.id + "]\n";
  BeginAnswer(HttpRefusalHead(refusal, text.size()), facts.headers.Get(":method") == "HEAD" ? "" : text);
  EndAnswer({}, StatusCode::kInvalidArgument);
}

void Call::ReadFirstMessage() {
  const std::size_t wanted = WantedBytes(Held(5));
  if (held_bytes() < wanted) {
    if (has_client_ended())
      RefuseBy(InvalidArgument("The request ended before its first message was whole."), "message");
    return;
  }
  awaits_ = Awaits::kNothing;
  auto fields = ReadFirstFields(*method_, Held(wanted));
  if (!fields) return RefuseBy(fields.status(), "message");
  fields_ = *std::move(fields);
  context_.session_id = fields_.session_id;
  context_.operation_id = fields_.operation_id;
  context_.facts->client_type = fields_.client_type;
  if (const Status claim = FillClaim(context_.identity, fields_.user_id); !claim.ok()) return RefuseBy(claim, "auth");
  Begin([this] {
    return home_.relay().sessions()->Place(context_, fields_, *method_,
                                           [this](Result<Placement> placement) { OnPlaced(std::move(placement)); });
  });
}

void Call::OnPlaced(Result<Placement> placement) {
  ++asked_;
  if (!placement) return RefuseBy(placement.status(), "session");
  if (!placement->ticket) {
    BeginAnswer(GrpcHead(), EmptyReply(method_->reply_session_field, fields_.session_id));
    return EndAnswer({{"grpc-status", "0"}}, StatusCode::kOk);
  }
  ticket_ = std::move(placement->ticket);
  ticket_->OnCut([this](const Status& status) { RefuseBy(status, "session"); });
  const Identity& who = *context_.identity;
  request().StampWith(
      MakeStamp(fields_.session_id, StampedUserId(who), who.user_name.empty() ? who.subject : who.user_name));
  reply_.emplace(*method_);
  if (method_->method != SparkMethod::kExecutePlan || !pipeline_->has_admission()) return OnAdmitted(Status());
  admission_.emplace(SGW_RECORD_OPERATION_STARTED, context_);
  Begin([this] { return pipeline_->Admit(admission_->raw(), [this](const Status& status) { OnAdmitted(status); }); });
}

void Call::OnAdmitted(const Status& status) {
  ++asked_;
  if (!status.ok()) return RefuseBy(status, "audit");
  is_beginning_ = true;
  if (fields_.is_whole) {
    BeginOperation();
  } else {
    // What says which operation it is may stand behind the plan.
    request().ReadFirst(*method_, [this](const FirstFields& fields) {
      Learn(fields);
      BeginOperation();
    });
  }
  Connect(ticket_->endpoint());
}

void Call::Learn(const FirstFields& fields) {
  context_.operation_id = fields.operation_id;
  context_.facts->client_type = fields.client_type;
  ticket_->Learn(fields);
}

void Call::BeginOperation() {
  is_beginning_ = false;
  ticket_->BeginOperation();
  if (method_->method == SparkMethod::kExecutePlan) RecordEvent(SGW_RECORD_OPERATION_STARTED);
}

void Call::RouteAlone() {
  if (!context_.identity) return FindServer();
  Begin([this] {
    return pipeline_->FindRoute(context_, [this](const Status& status) {
      ++asked_;
      if (!status.ok()) return RefuseBy(status, "router");
      const Status counted = home_.relay().sessions()->CountCall(context_);
      if (!counted.ok()) return RefuseBy(counted, "limits");
      FindServer();
    });
  });
}

void Call::FindServer() {
  Begin([this] {
    Pipeline::EndpointRequest wanted;
    wanted.facts = context_.facts;
    wanted.identity = context_.identity;
    wanted.route = context_.route;
    wanted.is_without_session = true;
    wanted.choose = [this](const std::vector<Endpoint>& endpoints) -> std::optional<Endpoint> {
      std::vector<Endpoint> barred = tried_;
      // What is leased is its holder's alone.
      const Sessions* const sessions = pipeline_->has_pools() ? home_.relay().sessions() : nullptr;
      for (const Endpoint& endpoint : endpoints) {
        if (sessions && sessions->is_leased(endpoint.address)) barred.push_back(endpoint);
      }
      const Endpoint* chosen = pool().Choose(endpoints, barred);
      return chosen ? std::optional<Endpoint>(*chosen) : std::nullopt;
    };
    return pipeline_->FindEndpoint(std::move(wanted), [this](const Result<Found>& found) { OnFound(found); });
  });
}

void Call::OnFound(const Result<Found>& found) {
  ++asked_;
  if (found) return Connect(found->endpoint);
  RefuseBy(unreachable_.ok() ? found.status() : unreachable_, tried_.empty() ? "discovery" : "upstream");
}

bool Call::OnUnreachable(const Endpoint& endpoint, const Status& why) {
  // A session lives on one server and nowhere else.
  if (ticket_) return false;
  tried_.push_back(endpoint);
  unreachable_ = why;
  FindServer();
  return true;
}

HeaderBlock Call::DriverHead(const Endpoint& endpoint) {
  ForwardFacts facts{endpoint, context_.facts->traceparent};
  facts.has_auth = pipeline_->has_auth();
  facts.is_stamped = request().is_stamped();
  facts.is_tls = pool().UsesTls(endpoint);
  if (context_.identity) {
    facts.identity_edits = &context_.identity->headers;
    facts.identity_headers = &context_.identity->made_from;
  }
  facts.route_edits = &context_.route->headers;
  facts.routing_headers = &context_.route->made_from;
  return ForwardedHead(context_.facts->headers, facts);
}

// Whom the driver refuses is the gateway: what it was sent is the gateway's token, and the caller's credential stays
// here. Without a token for it that is known of Spark Connect only, whose servers ask for nothing but a token; another
// service may know callers by headers of its own, and its answer is for them.
Status Call::OnUnauthenticated() {
  const bool has_token = !endpoint().token.empty();
  if (!has_token && !method_) return {};
  const std::string why = has_token ? "it does not take the token that the gateway has for it"
                                    : "it wants a token, and the gateway has none for it";
  home_.CountRefusedByDriver();
  pool().Refused(endpoint(), why);
  if (ticket_) ticket_->LoseServer(why);
  return RefusedByDriver(endpoint().address, why);
}

HeaderBlock Call::RefusalFields(const Status& status, bool is_head) {
  return StatusFields(status, context_.facts->id, context_.session_id, is_head);
}

void Call::OnResponseBytes(std::string_view bytes) {
  if (!reply_) return;
  reply_->Feed(bytes);
  // Before the client can know of the new session.
  if (method_->method == SparkMethod::kCloneSession && IsUuid(reply_->new_session_id())) {
    ticket_->BindClone(reply_->new_session_id());
    reply_.reset();
  }
}

void Call::AnswerHealth() {
  if (health_ == HealthMethod::kUnknown)
    return Refuse(Unimplemented("The gateway's health has Check, List and Watch."), "health");
  if (!has_client_ended() && held_bytes() < WantedBytes(Held(5))) return;
  const auto service = held_bytes() > kMaxHealthRequest ? std::nullopt : HealthService(Held(kMaxHealthRequest));
  if (!service) return Refuse(InvalidArgument("This is no HealthCheckRequest."), "health");
  awaits_ = Awaits::kNothing;
  const auto now = home_.relay().is_draining() ? ServingStatus::kNotServing : ServingStatus::kServing;
  if (health_ == HealthMethod::kList) {
    BeginAnswer(GrpcHead(), HealthList(now));
  } else if (IsHealthService(*service)) {
    BeginAnswer(GrpcHead(), HealthReply(now));
    is_watching_ = health_ == HealthMethod::kWatch;
  } else if (health_ == HealthMethod::kCheck) {
    return Refuse(NotFound("The gateway does not know this service."), "health");
  } else {
    return BeginAnswer(GrpcHead(), HealthReply(ServingStatus::kServiceUnknown));
  }
  if (health_ != HealthMethod::kWatch) EndAnswer({{"grpc-status", "0"}}, StatusCode::kOk);
}

void Call::TellDraining() {
  if (is_watching_) ContinueAnswer(HealthReply(ServingStatus::kNotServing));
}

void Call::GiveUp() {
  if (health_ == HealthMethod::kWatch && state() == State::kAnswered) {
    return EndAnswer({{"grpc-status", "14"}}, StatusCode::kUnavailable);
  }
  Refuse(Unavailable("The gateway is being stopped; another one, or this one in a moment, goes on."), "drain");
}

}  // namespace sgw::core
