// Gateway: the rooms, built from one configuration, started, drained and stopped in their order.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/admin/admin_server.h"
#include "core/admin/backend.h"
#include "core/admin/http_server.h"
#include "core/app/tls_files.h"
#include "core/config/config.h"
#include "core/pipeline/pipeline.h"
#include "core/plugin/generation.h"
#include "core/relay/front_door.h"
#include "core/relay/relay.h"
#include "core/session/sessions.h"
#include "core/upstream/pool.h"

namespace sgw::core {

class Gateway final : public AdminBackend {
 public:
  // `plugins` are those of the configuration, inspected and found right. The spawner may be null.
  Gateway(Config config, InspectedPlugins plugins, Spawner* spawner);
  // Ends what still runs.
  ~Gateway() override;

  // Makes and starts everything and listens. Not OK: what failed, and why; then only Stop() and the destructor may
  // follow. What is the configuration's fault is in `complaints`, too, all of it that could be found out. CANCELLED:
  // `has_been_asked_to_end`, which any thread may ask, before all that was done.
  Status Start(
      Complaints& complaints, std::function<bool()> has_been_asked_to_end = [] { return false; });

  // A plugin does not return from a step of its life, or from blocking work after its stop: the destructor would wait
  // for it for ever.
  bool is_stuck() const { return services_.is_control_stuck || services_.is_blocking_stuck; }

  struct Ports {
    std::vector<std::pair<std::string, std::string>> listeners;  // name, bound address
    std::string http;
    std::string admin;
  };
  const Ports& ports() const { return ports_; }

  // Says that it is going: not ready, health checks fail. Calls are still taken.
  void SetDraining();
  // Takes no more calls; running ones go on.
  void CloseDoor();
  int live_calls() const { return relay_ ? relay_->live_calls() : 0; }
  // Until no call is left, or the time is up.
  void AwaitCalls(std::chrono::milliseconds timeout) const;
  // Ends the calls that are left, writes what is queued, stops the plugins.
  void Stop();

  const Config& config() const { return config_; }

  std::vector<std::string> NotReady() override;
  std::vector<PluginView> ListPlugins() override;
  std::vector<SessionView> ListSessions() override;
  Status EndSession(const SessionName& name) override;
  std::vector<DescribedView> DescribePools() override { return Describe(StepKind::kHotPool); }
  std::vector<DescribedView> DescribeDiscoveries() override { return Describe(StepKind::kDiscovery); }
  std::vector<EndpointView> ListEndpoints() override;
  std::string EffectiveConfig(bool as_json) override;
  Result<MetricsPage> Metrics() override;

 private:
  Status Listen();
  Status StartAdmin();
  std::vector<DescribedView> Describe(StepKind kind);

  // In the order in which they are needed, so they go in reverse.
  const Config config_;
  InspectedPlugins plugins_;
  BufferBudget budget_;
  MetricsRegistry metrics_;
  TlsWatch tls_{metrics_};
  Worker control_{"control"};
  HostServices services_;
  EndpointTable endpoints_;
  std::shared_ptr<Generation> generation_;
  std::shared_ptr<const Pipeline> pipeline_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<UpstreamPools> upstreams_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<FrontDoor> door_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<AdminServer> admin_;
  std::mutex metrics_mutex_;  // One page at a time.
  Ports ports_;
  std::atomic<bool> is_serving_{false};
  std::atomic<bool> is_draining_{false};
  bool is_stopped_ = false;
};

// Who can reach the listeners: SGW_EXPOSURE_ flags of <sgw/abi.h>.
std::uint32_t ExposureOf(const Config& config);
// "0.1.0".
const char* Version();
// The configuration in the shape of its file, defaults filled in and secrets masked: as YAML, or as JSON.
std::string RenderConfig(const Config& config, const InspectedPlugins& plugins, bool as_json);

}  // namespace sgw::core
