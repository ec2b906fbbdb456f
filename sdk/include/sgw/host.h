// Host: what the gateway lends to a plugin's instance.
#pragma once

#include <sgw/detail/callback.h>
#include <sgw/handles.h>
#include <sgw/http.h>
#include <sgw/metrics_handles.h>
#include <sgw/snapshot.h>
#include <sgw/values.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

enum class LogLevel : std::uint8_t {
  kDebug = SGW_LOG_DEBUG,
  kInfo = SGW_LOG_INFO,
  kWarning = SGW_LOG_WARNING,
  kError = SGW_LOG_ERROR,
};

// Which kinds of addresses the listeners have that use the instance's pipeline.
struct Exposure {
  bool loopback = false;
  bool unix_socket = false;
  bool remote = false;
};

// One instance's host; lives until the instance is destroyed. Safe for concurrent use, from any thread.
//
// Callbacks run on the control thread, one at a time over all plugins: they never wait. An instance that has stopped
// hears no callback any more, whatever it left running: the host's answer to stop waits for those that are on their
// way. An exception that leaves a callback is logged and counted, nothing more.
class Host {
 public:
  // For the glue.
  Host(std::shared_ptr<detail::Link> link, std::string name, std::string configuration_directory)
      : link_(std::move(link)), name_(std::move(name)), directory_(std::move(configuration_directory)), http_(link_) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // The instance's name in the configuration.
  const std::string& name() const { return name_; }
  // A path of the settings made absolute: relative ones start at the configuration's directory.
  std::string Path(std::string_view path) const {
    if (path.empty() || path.front() == '/' || directory_.empty()) return std::string(path);
    return directory_ + "/" + std::string(path);
  }

  // One line of the gateway's log; the instance's name is added. Never a secret.
  void Log(LogLevel level, std::string_view text) const {
    link_->WithHost([&](const sgw_host_table& table, sgw_host* host) {
      table.log(host, static_cast<std::int32_t>(level), detail::View(text));
    });
  }
  void Debug(std::string_view text) const { Log(LogLevel::kDebug, text); }
  void Info(std::string_view text) const { Log(LogLevel::kInfo, text); }
  void Warn(std::string_view text) const { Log(LogLevel::kWarning, text); }
  void Error(std::string_view text) const { Log(LogLevel::kError, text); }

  // The clocks. Tests move them by hand, so ask no other clock.
  MonotonicTime Now() const {
    return MonotonicTime(std::chrono::nanoseconds(link_->table()->monotonic_ns(link_->host())));
  }
  WallTime WallNow() const { return WallTime(std::chrono::nanoseconds(link_->table()->wall_ns(link_->host()))); }

  // Runs `run` once after the delay. Keep the Timer as long as it shall run.
  [[nodiscard]] Timer StartTimer(Duration delay, std::function<void()> run) const {
    const sgw_callback callback = detail::MakeCallback(link_, "a timer", std::move(run));
    return Timer(link_, link_->table()->timer_start(link_->host(), delay.count(), callback));
  }

  // Runs `run` each time that the path has changed in any way and has been quiet for 100 ms: written, replaced,
  // removed, made, or reached through a changed symlink, as Kubernetes does. The path need not exist.
  [[nodiscard]] FileWatch WatchFile(std::string_view path, std::function<void()> run) const {
    const sgw_callback callback = detail::MakeCallback(link_, "a file watch", std::move(run));
    return FileWatch(link_, link_->table()->file_watch(link_->host(), detail::View(path), callback));
  }

  // Runs `run` on a thread that exists for waiting: files, name resolution, blocking libraries. RESOURCE_EXHAUSTED:
  // too much is queued, and it will not run.
  Status RunBlocking(std::function<void()> run) const {
    const sgw_callback callback = detail::MakeCallback(link_, "blocking work", std::move(run));
    if (link_->table()->run_blocking(link_->host(), callback) != 0) return {};
    return ResourceExhausted("too much blocking work is waiting");
  }

  // Asks whether a gRPC server answers at the endpoint. `done` is told once: OK, or why not.
  void Probe(const Endpoint& endpoint, Duration timeout, std::function<void(Status)> done) const {
    const detail::RawEndpoint owned(endpoint);
    const sgw_endpoint raw = owned.get();
    link_->table()->probe(link_->host(), &raw, timeout.count(), detail::MakeProbe(link_, std::move(done)));
  }

  // Starts a process. Failures are told through on_exit, never here.
  [[nodiscard]] Child StartChild(ChildSpec spec) const { return detail::StartChild(link_, std::move(spec)); }

  // Time series with the instance's label `plugin`. The name begins with "spark_gateway_"; label values come from a
  // bounded set. A name that is taken by another type gives a handle that counts nothing.
  Counter MakeCounter(std::string_view metric, std::string_view help, const StringMap& labels = {}) const {
    return {link_->table(), Series(SGW_METRIC_COUNTER, metric, help, labels, {})};
  }
  Gauge MakeGauge(std::string_view metric, std::string_view help, const StringMap& labels = {}) const {
    return {link_->table(), Series(SGW_METRIC_GAUGE, metric, help, labels, {})};
  }
  // `bounds` are the buckets' upper bounds, ascending, without +Inf.
  Histogram MakeHistogram(std::string_view metric, std::string_view help, const std::vector<double>& bounds,
                          const StringMap& labels = {}) const {
    return {link_->table(), Series(SGW_METRIC_HISTOGRAM, metric, help, labels, bounds)};
  }

  // Publishes a list of endpoints that never changes again. For Discovery: one per change, not per call.
  EndpointSnapshot MakeSnapshot(const std::vector<Endpoint>& endpoints) const {
    const std::vector<detail::RawEndpoint> owned(endpoints.begin(), endpoints.end());
    std::vector<sgw_endpoint> raw;
    raw.reserve(owned.size());
    for (const auto& each : owned) raw.push_back(each.get());
    sgw_snapshot* made = link_->table()->snapshot_make(link_->host(), raw.data(), raw.size());
    return EndpointSnapshot(std::shared_ptr<sgw_snapshot>(made, [link = link_](sgw_snapshot* last) {
      link->WithHost([last](const sgw_host_table& table, sgw_host* host) { table.snapshot_release(host, last); });
    }));
  }

  // The server behind a lease is gone for good: its sessions are lost now. `reason` is read by callers.
  void LeaseLost(std::string_view lease_id, std::string_view reason) const {
    link_->WithHost([&](const sgw_host_table& table, sgw_host* host) {
      table.lease_lost(host, detail::View(lease_id), detail::View(reason));
    });
  }
  // The server with this address and incarnation is gone for good. Missing from a snapshot is not gone.
  void EndpointGone(std::string_view address, std::string_view incarnation, std::string_view reason) const {
    link_->WithHost([&](const sgw_host_table& table, sgw_host* host) {
      table.endpoint_gone(host, detail::View(address), detail::View(incarnation), detail::View(reason));
    });
  }

  // Which addresses the world can reach this instance's pipeline by.
  Exposure exposure() const {
    const std::uint32_t set = link_->table()->exposure(link_->host());
    return {.loopback = (set & SGW_EXPOSURE_LOOPBACK) != 0,
            .unix_socket = (set & SGW_EXPOSURE_UNIX) != 0,
            .remote = (set & SGW_EXPOSURE_REMOTE) != 0};
  }

  // Lives as long as the Host.
  HttpClient& http() { return http_; }

  // Runs `run` with the new text each time that the secret behind a setting has changed, when the configuration gives
  // it by a reference that can change, as ${file:/run/secrets/portal}; for every other setting it never runs. `setting`
  // is the setting's JSON pointer: "/password".
  [[nodiscard]] SecretWatch WatchSecret(std::string_view setting, std::function<void(Secret)> run) const {
    const sgw_callback callback = detail::MakeMutable<sgw_view, std::function<void(Secret)>>(
        link_, std::make_shared<detail::Mute>(), "a secret's change", std::move(run),
        [](const std::function<void(Secret)>& tell, const sgw_view& text) {
          tell(Secret(std::string(detail::Text(text))));
        });
    return {link_, link_->table()->secret_watch(link_->host(), detail::View(setting), callback)};
  }

  // For an Authenticator whose keys or lists have changed: the Identities that the gateway remembers of this instance
  // are forgotten, and each connection's next call is asked again.
  void ForgetIdentities() const {
    link_->WithHost([](const sgw_host_table& table, sgw_host* host) { table.identities_forget(host); });
  }

 private:
  sgw_series* Series(std::uint32_t type, std::string_view metric, std::string_view help, const StringMap& labels,
                     const std::vector<double>& bounds) const {
    const detail::RawPairs raw(labels);
    return link_->table()->metric(link_->host(), type, detail::View(metric), detail::View(help), raw.get(),
                                  bounds.data(), bounds.size());
  }

  std::shared_ptr<detail::Link> link_;
  std::string name_;
  std::string directory_;
  HttpClient http_;
};

}  // namespace sgw
