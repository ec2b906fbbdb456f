#include "core/session/sessions.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "core/connect/status_details.h"
#include "core/session/placing.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kSweepEvery = 1s;

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
  services.on_snapshot = [weak](const std::vector<Endpoint>& endpoints) {
    if (const auto self = weak.lock()) self->servers().LoseReplaced(endpoints);
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
  placing->Begin();
  if (placing->is_over()) return nullptr;
  return std::make_unique<RunOf<Placing>>(std::move(placing));
}

Status Sessions::CountCall(const CallContext& context) const {
  const Policy& policy = context.route->policy;
  const bool is_counted =
      policy.calls_per_second || std::any_of(policy.limits.begin(), policy.limits.end(),
                                             [](const Limit& limit) { return limit.calls_per_second.has_value(); });
  return is_counted ? table_->limits().For(*context.identity, policy).CountCall(table_->Now()) : Status();
}

bool Sessions::is_leased(const std::string& address) const { return table_->servers().is_leased(address); }

std::vector<SessionView> Sessions::List() const { return table_->List(); }

Status Sessions::End(const SessionName& name) {
  const auto found = table_->Find(name);
  if (found.empty()) {
    const std::string whose = name.subject.empty() && name.realm.empty() ? "" : " of that user";
    return NotFound("there is no session " + name.session_id + whose);
  }
  if (found.size() > 1) {
    return FailedPrecondition("several users have a session " + name.session_id +
                              "; say whose with --subject and --realm");
  }
  table_->End(found.front(), {.event = SGW_RECORD_SESSION_CLOSED,
                              .reason = "ended by an operator",
                              .refusal = SessionClosed("An operator ended this session. Make a new one with "
                                                       "SparkSession.builder.create()."),
                              .cuts_streams = true});
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
  services_.OnControl([this] { sweep_.Cancel(); });
  table_->servers().Stop(table_->store().is_durable());
  if (!table_->store().is_durable()) table_->EndAll("the gateway was stopped");
  table_->store().Flush();
}

}  // namespace sgw::core
