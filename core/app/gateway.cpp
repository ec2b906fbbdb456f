#include "core/app/gateway.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>

#include "core/app/load_all.h"
#include "core/config/address.h"
#include "core/config/write.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatienceOfClients = 1s;  // for the last of each call to lie in its connection's output
constexpr auto kLongestEnd = 10s;        // for calls to end whose connections were closed

ConnectionOptions ClientOptions(const Config& config, BufferBudget& budget) {
  const LimitsConfig& limits = config.limits;
  ConnectionOptions options;
  options.max_streams = static_cast<std::uint32_t>(limits.streams_per_connection);
  options.max_header_bytes = static_cast<std::size_t>(limits.header_bytes);
  options.max_header_fields = static_cast<std::size_t>(limits.header_count);
  options.max_held_bytes = static_cast<std::size_t>(limits.connection_buffer_bytes);
  options.handshake_timeout = limits.handshake_timeout;
  options.idle_timeout = limits.idle_timeout;
  options.ping_interval = limits.ping_interval;
  options.budget = &budget;
  return options;
}

UpstreamOptions DriverOptions(const Config& config, BufferBudget& budget) {
  UpstreamOptions options;
  options.connect_timeout = config.upstream.connect_timeout;
  options.connection.idle_timeout = config.upstream.idle_timeout;
  options.connection.max_held_bytes = static_cast<std::size_t>(config.limits.connection_buffer_bytes);
  options.connection.budget = &budget;
  return options;
}

std::size_t WorkerCount(const Config& config) {
  return config.workers > 0 ? static_cast<std::size_t>(config.workers)
                            : std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::uint32_t ExposureOf(const Config& config) {
  std::uint32_t exposure = 0;
  for (const ListenerConfig& listener : config.listeners) {
    std::string ignored;
    const Address address = ParseAddress(listener.address, ignored).value_or(Address());
    if (address.is_unix())
      exposure |= SGW_EXPOSURE_UNIX;
    else if (IsLoopback(address.host))
      exposure |= SGW_EXPOSURE_LOOPBACK;
    else
      exposure |= SGW_EXPOSURE_REMOTE;
  }
  return exposure;
}

Gateway::Gateway(Config config, InspectedPlugins plugins, Spawner* spawner)
    : config_(std::move(config)), plugins_(std::move(plugins)), services_(metrics_, control_, spawner) {
  budget_.limit = static_cast<std::size_t>(config_.limits.buffer_bytes);
  services_.exposure = ExposureOf(config_);
  services_.secret_variables = config_.secret_variables;
  services_.on_listed = [this](const std::vector<Endpoint>& endpoints) { endpoints_.List(endpoints); };
  services_.on_unlisted = [this](const std::vector<Endpoint>& endpoints) { endpoints_.Unlist(endpoints); };
}

Gateway::~Gateway() {
  Stop();
  control_.Stop();
}

Status Gateway::Start(Complaints& complaints, std::function<bool()> has_been_asked_to_end) {
  services_.has_been_asked_to_end = std::move(has_been_asked_to_end);
  control_.Start();
  CheckFiles(config_, complaints);
  if (config_.upstream.has_tls() && !complaints.has_errors()) {
    const TlsFiles files = TlsOf(config_.upstream);
    auto tls = tls_.Keep("upstream", files, [files] { return TlsContext::ForDrivers(files); });
    if (!tls) return tls.status();
    services_.driver_tls = *std::move(tls);
  }
  auto generation = Generation::Create(config_, plugins_, services_, complaints);
  if (!generation) return generation.status();
  generation_ = *std::move(generation);
  if (complaints.has_errors()) return FailedPrecondition(complaints.Text());
  pipeline_ = std::make_shared<const Pipeline>(config_, generation_, metrics_);
  auto sessions = Sessions::Create(config_, pipeline_, endpoints_, services_);
  if (!sessions) {
    // Another gateway may have it for now; else it cannot be one.
    if (sessions.status().code() != StatusCode::kUnavailable)
      complaints.Error(config_.PlaceOf("sessions.state"), sessions.status().message());
    return sessions.status();
  }
  sessions_ = *std::move(sessions);
  // Before plugins start, which may take its time: a probe hears why the gateway is not ready.
  if (Status status = StartAdmin(); !status.ok()) return status;
  if (Status status = generation_->Start(complaints); !status.ok()) return status;
  sessions_->Restore();

  workers_ = std::make_unique<WorkerPool>(WorkerCount(config_));
  UpstreamOptions to_drivers = DriverOptions(config_, budget_);
  to_drivers.connection.on_incident = [this](const char* reason) {
    metrics_
        .Counter("spark_gateway_driver_incidents_total", "What went wrong on connections to drivers.",
                 {{"reason", reason}})
        .Add(1);
  };
  to_drivers.tls = services_.driver_tls;
  upstreams_ = std::make_unique<UpstreamPools>(*workers_, endpoints_, to_drivers);
  relay_ = std::make_unique<Relay>(*workers_, *upstreams_, Relay::Setup{pipeline_, sessions_.get(), metrics_});
  door_ = std::make_unique<FrontDoor>(*workers_, *relay_, ClientOptions(config_, budget_),
                                      static_cast<int>(config_.limits.connections));
  if (services_.has_been_asked_to_end()) return Cancelled("the gateway was asked to end before it listened");
  if (Status status = Listen(); !status.ok()) return status;

  metrics_.Gauge("spark_gateway_build_info", "The gateway's version.", {{"version", Version()}}).Set(1);
  Series& connections = metrics_.Gauge("spark_gateway_connections", "Open connections of clients.");
  Series& held = metrics_.Gauge("spark_gateway_held_bytes", "Received bytes that nobody has taken yet.");
  metrics_.BeforeSnapshot([this, &connections, &held] {
    connections.Set(door_->open_connections());
    held.Set(static_cast<double>(budget_.held));
  });

  workers_->Start();
  door_->Start();
  sessions_->StartSweeping();
  is_serving_ = true;
  return {};
}

Status Gateway::Listen() {
  for (const ListenerConfig& listener : config_.listeners) {
    std::shared_ptr<const TlsSource> tls;
    if (listener.has_tls()) {
      const ListenerTls settings = TlsOf(listener);
      auto loaded = tls_.Keep(listener.name, settings.files, [settings] { return TlsContext::ForListener(settings); });
      if (!loaded) return loaded.status();
      tls = *std::move(loaded);
    }
    const auto bound = door_->Listen({listener.name, listener.address, tls});
    if (!bound) return bound.status();
    ports_.listeners.emplace_back(listener.name, *bound);
    spdlog::info("listening on {}{}", *bound, tls ? " (TLS)" : "");
  }
  return {};
}

Status Gateway::StartAdmin() {
  if (!config_.admin.http.empty()) {
    auto http = HttpServer::Start(config_.admin.http, *this);
    if (!http) return http.status();
    http_ = *std::move(http);
    ports_.http = http_->address();
  }
  auto admin = AdminServer::Start(config_.admin.address, *this);
  if (!admin) return admin.status();
  admin_ = *std::move(admin);
  ports_.admin = config_.admin.address;
  return {};
}

void Gateway::SetDraining() {
  is_draining_ = true;
  if (relay_) relay_->SetDraining();
}

void Gateway::CloseDoor() {
  if (door_) door_->Drain();
}

void Gateway::Stop() {
  if (std::exchange(is_stopped_, true)) return;
  is_draining_ = true;
  admin_.reset();
  http_.reset();
  if (is_serving_) {
    relay_->GiveUp();
    // The refusals are to reach their clients before the connections close.
    AwaitCalls(kPatienceOfClients);
    std::this_thread::sleep_for(50ms);
    door_->Close();
    // Observers hear of each call's end before they stop.
    AwaitCalls(kLongestEnd);
    sessions_->Stop();
  }
  if (generation_) generation_->Stop();
  if (is_serving_) workers_->Stop();
  door_.reset();
  relay_.reset();
  upstreams_.reset();
  workers_.reset();
  // Instances are destroyed on the control thread, so it goes last.
  sessions_.reset();
  pipeline_.reset();
  generation_.reset();
}

void Gateway::AwaitCalls(std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (live_calls() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
}

std::vector<std::string> Gateway::NotReady() {
  std::vector<std::string> reasons;
  if (!is_serving_) reasons.emplace_back("the gateway is starting");
  if (is_draining_) reasons.emplace_back("the gateway is draining");
  if (generation_) {
    for (const auto& instance : generation_->instances()) {
      if (instance->state() == Instance::State::kServing) continue;
      reasons.push_back("the plugin '" + instance->name() + "' is " + instance->state_name());
    }
  }
  return reasons;
}

std::vector<PluginView> Gateway::ListPlugins() {
  std::vector<PluginView> views;
  for (const auto& instance : generation_->instances()) {
    const Tag& tag = instance->tag();
    views.push_back({instance->name(), tag.name, KindName(tag.kind), instance->library().file(),
                     std::to_string(tag.abi_major) + "." + std::to_string(tag.abi_minor), tag.sdk, tag.capabilities,
                     instance->state_name()});
  }
  return views;
}

std::vector<SessionView> Gateway::ListSessions() {
  auto list = sessions_->List();
  std::sort(list.begin(), list.end(), [](const SessionView& a, const SessionView& b) { return a.age < b.age; });
  return list;
}

Status Gateway::EndSession(const SessionName& name) { return sessions_->End(name); }

std::vector<DescribedView> Gateway::Describe(StepKind kind) {
  std::vector<DescribedView> views;
  for (const auto& instance : generation_->instances()) {
    const bool is_serving = instance->state() == Instance::State::kServing;
    if (instance->tag().kind == kind && is_serving) views.push_back({instance->name(), instance->Describe()});
  }
  return views;
}

std::vector<EndpointView> Gateway::ListEndpoints() {
  std::vector<EndpointView> views = endpoints_.Snapshot();
  for (EndpointView& view : views) {
    for (std::string* text : {&view.address, &view.last_error}) *text = services_.secrets.Hide(std::move(*text));
  }
  return views;
}

std::string Gateway::EffectiveConfig(bool as_json) { return RenderConfig(config_, plugins_, as_json); }

Result<MetricsPage> Gateway::Metrics() {
  if (!pipeline_->renderer()) return NotFound("no metrics plugin is configured; add `- metrics: ...` to the pipeline");
  if (!is_serving_) return Unavailable("the gateway is starting");
  const std::lock_guard lock(metrics_mutex_);
  MetricsPage page;
  pipeline_->renderer()->Render(metrics_.Snapshot(), page.content_type, page.body);
  return page;
}

const char* Version() { return SGW_VERSION; }

std::string RenderConfig(const Config& config, const InspectedPlugins& plugins, bool as_json) {
  std::map<std::string, Value> settings;
  for (const auto& [name, plugin] : plugins) settings.emplace(name, plugin.settings.effective);
  const Value value = WriteConfig(config, settings);
  if (as_json) return FormatJson(value);
  return "# " + config.file + " with its defaults; relative paths in settings start at " + config.directory + "\n" +
         FormatYaml(value);
}

}  // namespace sgw::core
