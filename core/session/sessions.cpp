#include "core/session/sessions.h"

#include <chrono>
#include <future>
#include <thread>

#include "core/connect/status_details.h"
#include "core/session/placing.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kSweepEvery = 1s;

// What the caller of Place holds: dropping it drops the way, whoever else still refers to it.
class PlacingHandle final : public Run {
 public:
  explicit PlacingHandle(std::shared_ptr<Placing> placing) : placing_(std::move(placing)) {}
  ~PlacingHandle() override { placing_->Drop(); }

 private:
  const std::shared_ptr<Placing> placing_;
};

// Plugins and the registry live longer than the table.
void Connect(const std::shared_ptr<SessionTable>& table, HostServices& services) {
  const std::weak_ptr weak = table;
  services.on_lease_lost = [weak](const std::string& instance, const std::string& lease_id, const std::string& reason) {
    if (const auto self = weak.lock()) self->servers().LoseLease(instance, lease_id, reason);
  };
  services.on_endpoint_gone = [weak](const std::string& address, const std::string& incarnation,
                                     const std::string& reason) {
    if (const auto self = weak.lock()) self->servers().LoseEndpoint(address, incarnation, reason);
  };
  MetricsRegistry& metrics = services.metrics;
  const auto sessions = [&](const char* state) -> Series& {
    return metrics.Gauge("spark_gateway_sessions", "Sessions that are bound to a server.", {{"state", state}});
  };
  const auto servers = [&](const char* state) -> Series& {
    return metrics.Gauge("spark_gateway_session_servers", "Servers of sharing keys.", {{"state", state}});
  };
  metrics.BeforeSnapshot([weak, &active = sessions("active"), &idle = sessions("idle"), &starting = servers("starting"),
                          &unclaimed = servers("unclaimed"), &bound = servers("bound"),
                          &waiting = metrics.Gauge("spark_gateway_waiting_callers", "Calls that wait for a server.")] {
    const auto self = weak.lock();
    if (!self) return;
    const SessionTable::Counts counted = self->counts();
    active.Set(static_cast<double>(counted.active));
    idle.Set(static_cast<double>(counted.idle));
    const Servers::Counts counts = self->servers().counts();
    starting.Set(static_cast<double>(counts.starting));
    unclaimed.Set(static_cast<double>(counts.unclaimed));
    bound.Set(static_cast<double>(counts.bound));
    waiting.Set(static_cast<double>(counts.waiting_callers));
  });
}

}  // namespace

SessionTicket::SessionTicket(SessionTable& table, std::shared_ptr<SessionEntry> session,
                             std::shared_ptr<const Route> route, std::shared_ptr<const CallFacts> facts,
                             const MethodFacts& method, FirstFields fields)
    : table_(table),
      session_(std::move(session)),
      endpoint_(session_->server->endpoint()),
      route_(std::move(route)),
      facts_(std::move(facts)),
      method_(method),
      fields_(std::move(fields)) {
  if (method_.method == SparkMethod::kExecutePlan) table_.NoteOperation(session_, fields_.operation_id, true);
}

SessionTicket::~SessionTicket() {
  if (is_finished_) return;
  // Nobody listens to it any more, and it may run on all the same.
  const bool is_execution =
      method_.method == SparkMethod::kExecutePlan || method_.method == SparkMethod::kReattachExecute;
  if (is_execution) table_.NoteOperation(session_, fields_.operation_id, true);
  table_.Leave(session_);
}

void SessionTicket::BindClone(const std::string& new_session_id) {
  if (IsUuid(new_session_id)) table_.BindClone(session_, new_session_id, *facts_);
}

void SessionTicket::Finished(StatusCode code, bool has_result_complete, const std::string& operation_id) {
  if (std::exchange(is_finished_, true)) return;
  const std::string& operation = fields_.operation_id.empty() ? operation_id : fields_.operation_id;
  const bool is_reattach = method_.method == SparkMethod::kReattachExecute;
  if (is_reattach || method_.method == SparkMethod::kExecutePlan) {
    // A reattachable stream that ends without having said that it is complete only pauses.
    const bool is_pause = code == StatusCode::kOk && !has_result_complete && (fields_.is_reattachable || is_reattach);
    table_.NoteOperation(session_, operation, is_pause);
  } else if (fields_.is_release_all && code == StatusCode::kOk) {
    table_.NoteOperation(session_, operation, false);
  }
  if (method_.method == SparkMethod::kReleaseSession && code == StatusCode::kOk) {
    SessionTable::Ending ending{
        .event = SGW_RECORD_SESSION_CLOSED, .reason = "released by its client", .facts = facts_.get()};
    if (!fields_.allows_reconnect) {
      ending.refusal = SessionClosed("This session was stopped. Make a new one with SparkSession.builder.create().");
    }
    table_.End(session_, ending);
  }
  table_.Leave(session_);
}

Result<std::unique_ptr<Sessions>> Sessions::Create(const Config& config, std::shared_ptr<const Pipeline> pipeline,
                                                   EndpointTable& endpoints, HostServices& services) {
  auto store = BindingStore::Open(config.sessions.state, *services.clock, services.metrics);
  if (!store) return store.status();
  auto table = std::make_shared<SessionTable>(config, std::move(pipeline), *std::move(store), endpoints, services);
  Connect(table, services);
  return std::unique_ptr<Sessions>(new Sessions(std::move(table), services));
}

Sessions::Sessions(std::shared_ptr<SessionTable> table, HostServices& services)
    : table_(std::move(table)), services_(services) {}

Sessions::~Sessions() {
  Stop();
  const std::weak_ptr weak = table_;
  table_.reset();
  // A notice of a plugin may be under way on another thread.
  while (!weak.expired()) std::this_thread::sleep_for(1ms);
}

void Sessions::Restore() { table_->Restore(); }

std::unique_ptr<Run> Sessions::Place(CallContext& context, const FirstFields& fields, const MethodFacts& method,
                                     std::function<void(Result<Placement>)> done) {
  auto placing = std::make_shared<Placing>(*table_, context, fields, method, std::move(done));
  auto handle = std::make_unique<PlacingHandle>(placing);
  placing->Begin();
  return handle;
}

std::vector<SessionView> Sessions::List() const { return table_->List(); }

Status Sessions::End(const std::string& session_id, const std::string& subject) {
  const auto found = table_->Find(session_id, subject);
  if (found.empty()) return NotFound("there is no session " + session_id);
  if (found.size() > 1) {
    return FailedPrecondition("several users have a session " + session_id + "; say whose with --subject");
  }
  table_->End(found.front(), {.event = SGW_RECORD_SESSION_CLOSED,
                              .reason = "ended by an operator",
                              .refusal = SessionClosed("An operator ended this session. Make a new one with "
                                                       "SparkSession.builder.create().")});
  return {};
}

void Sessions::StartSweeping() {
  services_.control.Post([this] { Sweep(); });
}

void Sessions::Sweep() {
  table_->Sweep();
  sweep_ = services_.control.StartTimer(kSweepEvery, [this] { Sweep(); });
}

void Sessions::Stop() {
  if (std::exchange(is_stopped_, true)) return;
  std::promise<void> done;
  services_.control.Post([&] {
    sweep_.Cancel();
    done.set_value();
  });
  done.get_future().get();
  table_->servers().Stop(table_->store().is_durable());
  table_->store().Flush();
}

}  // namespace sgw::core
