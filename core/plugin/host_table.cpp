#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "core/http2/client_connection.h"
#include "core/plugin/host.h"
#include "core/plugin/instance.h"
#include "core/plugin/raw_views.h"

namespace sgw::core {
namespace {

constexpr int kMaxWaitingLines = 4'096;
constexpr std::uint64_t kMaxBounds = 200;
constexpr std::uint64_t kMaxLabels = 32;
constexpr std::uint64_t kMaxEndpoints = 100'000;
constexpr std::uint32_t kLeastEndpoint = offsetof(sgw_endpoint, tls);

// Within what a clock can count: nobody waits for more than a year.
std::chrono::milliseconds Delay(std::int64_t ms, std::int64_t least) {
  constexpr std::int64_t kMost = std::chrono::milliseconds(std::chrono::hours(24 * 365)).count();
  return std::chrono::milliseconds(std::clamp(ms, least, kMost));
}

void Log(sgw_host* host, std::int32_t level, sgw_view text) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                   spdlog::level::err};
  const auto own = kLevels[std::clamp(level, SGW_LOG_DEBUG + 0, SGW_LOG_ERROR + 0)];
  if (spdlog::should_log(own)) spdlog::log(own, "{}: {}", host->life->name, host->life->Plain(text, 16 * 1024));
}

std::uint64_t Monotonic(sgw_host* host) {
  return static_cast<std::uint64_t>(host->services.clock->Now().time_since_epoch().count());
}

std::uint64_t Wall(sgw_host* host) {
  const auto since = host->services.clock->Wall().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

sgw_snapshot* SnapshotMake(sgw_host* host, const sgw_endpoint* endpoints, std::uint64_t count) {
  auto* const snapshot = new sgw_snapshot;
  std::vector<Endpoint> list;
  // The array is as wide as its writer knew the struct.
  const bool is_array = endpoints && endpoints->size >= kLeastEndpoint && endpoints->size % alignof(sgw_endpoint) == 0;
  const auto* at = reinterpret_cast<const char*>(endpoints);
  for (std::uint64_t i = 0; is_array && i < std::min(count, kMaxEndpoints); ++i, at += endpoints->size) {
    Endpoint endpoint = EndpointOf(*reinterpret_cast<const sgw_endpoint*>(at));
    if (!endpoint.address.empty()) list.push_back(std::move(endpoint));
  }
  if (host->services.on_listed) host->services.on_listed(list);
  if (host->services.on_snapshot) host->services.on_snapshot(list);
  snapshot->endpoints = std::make_shared<const std::vector<Endpoint>>(std::move(list));
  return snapshot;
}

void SnapshotRelease(sgw_host* host, sgw_snapshot* snapshot) {
  if (!snapshot || --snapshot->count > 0) return;
  if (host->services.on_unlisted) host->services.on_unlisted(*snapshot->endpoints);
  delete snapshot;
}

void LeaseLost(sgw_host* host, sgw_view lease_id, sgw_view reason) {
  const auto& listener = host->services.on_lease_lost;
  if (listener) listener(host->life->name, TextOf(lease_id), host->life->Plain(reason, 1024));
}

void EndpointGone(sgw_host* host, sgw_view address, sgw_view incarnation, sgw_view reason) {
  const auto& listener = host->services.on_endpoint_gone;
  if (listener) listener(TextOf(address), TextOf(incarnation), host->life->Plain(reason, 1024));
}

sgw_id TimerStart(sgw_host* host, std::int64_t delay_ms, sgw_callback raw) {
  HostServices& services = host->services;
  const std::uint64_t id = services.next_id++;
  services.callbacks.Add(id, Callback(raw, host->life));
  const auto start = [&services, id, delay = Delay(delay_ms, 0)] {
    if (!services.callbacks.Has(id)) return;  // cancelled meanwhile
    services.timers[id] = services.control.StartTimer(delay, [&services, id] {
      services.timers.erase(id);
      services.callbacks.Run(id, true);
    });
  };
  if (services.control.IsCurrent())
    start();
  else
    services.control.Post(start);
  return id;
}

void TimerCancel(sgw_host* host, sgw_id id) {
  HostServices& services = host->services;
  if (!services.callbacks.Remove(id, *host->life)) return;
  if (services.control.IsCurrent())
    services.timers.erase(id);
  else
    services.control.Post([&services, id] { services.timers.erase(id); });
}

sgw_series* Metric(sgw_host* host, std::uint32_t type, sgw_view name, sgw_view help, sgw_pairs labels,
                   const double* bounds, std::uint64_t bound_count) {
  if (type > SGW_METRIC_HISTOGRAM || labels.count > kMaxLabels) return nullptr;
  if (bound_count > kMaxBounds || (bound_count > 0 && !bounds)) return nullptr;
  MetricLabels all = {{"plugin", host->life->name}};
  for (std::uint64_t i = 0; i < labels.count; ++i) {
    std::string label = TextOf(labels.items[i].key);
    const bool is_twice = std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.first == label; });
    if (is_twice) return nullptr;
    all.emplace_back(std::move(label), host->services.secrets.Hide(TextOf(labels.items[i].value)));
  }
  const std::vector<double> upper(bounds, bounds + bound_count);
  const auto is_no_step = [](double one, double next) { return !(one < next); };  // true of a NaN as well
  if (std::adjacent_find(upper.begin(), upper.end(), is_no_step) != upper.end()) return nullptr;
  return reinterpret_cast<sgw_series*>(host->services.metrics.Get(static_cast<MetricType>(type), TextOf(name),
                                                                  host->life->Plain(help, 1024), all, upper));
}

void MetricAdd(sgw_series* series, double amount) {
  if (series) reinterpret_cast<Series*>(series)->Add(amount);
}

void MetricSet(sgw_series* series, double value) {
  if (series) reinterpret_cast<Series*>(series)->Set(value);
}

void MetricObserve(sgw_series* series, double value) {
  if (series) reinterpret_cast<Series*>(series)->Observe(value);
}

std::int32_t RunBlocking(sgw_host* host, sgw_callback raw) {
  const void* const owner = host->life.get();
  return host->services.blocking.Run(owner, [callback = Callback(raw, host->life)] { callback(nullptr); }) ? 1 : 0;
}

void Probe(sgw_host* host, const sgw_endpoint* endpoint, std::int64_t timeout_ms, sgw_callback raw) {
  Worker& control = host->services.control;
  control.Post([&control, callback = Callback(raw, host->life), endpoint = EndpointOf(*endpoint),
                tls = host->services.driver_tls, timeout = Delay(timeout_ms, 1)] {
    const auto holder = std::make_shared<std::shared_ptr<ClientConnection>>();
    ClientConnection::Setup setup;
    setup.address = endpoint.address;
    setup.is_tls = WantsTls(endpoint, tls != nullptr);
    if (tls) setup.tls = tls->context();
    setup.server_name = ServerNameOf(endpoint);
    setup.connect_timeout = timeout;
    setup.on_ready = [callback, holder](const Status& status) {
      sgw_status answer{};
      answer.size = sizeof(answer);
      answer.code = static_cast<std::int32_t>(status.code());
      answer.message = View(status.message());
      answer.retry_ms = -1;
      callback(&answer);
      if (const auto connection = std::exchange(*holder, nullptr)) connection->Close();
    };
    *holder = ClientConnection::Connect(control, std::move(setup));
  });
}

sgw_id FileWatch(sgw_host* host, sgw_view path, sgw_callback raw) {
  HostServices& services = host->services;
  const std::uint64_t id = services.next_id++;
  services.callbacks.Add(id, Callback(raw, host->life));
  services.files.Watch(id, TextOf(path));
  return id;
}

void FileUnwatch(sgw_host* host, sgw_id id) {
  if (host->services.callbacks.Remove(id, *host->life)) host->services.files.Unwatch(id);
}

ChildStart StartOf(const sgw_child_spec& spec, const HostServices& services) {
  ChildStart start;
  start.withheld = services.secret_variables;
  start.argv = TextsOf(spec.argv);
  start.environment = PairsOf(spec.environment);
  start.working_directory = TextOf(spec.working_directory);
  start.output_path = TextOf(spec.output_path);
  start.kill_after_ms = spec.kill_after_ms;
  return start;
}

// Lines wait for the control thread; a child that prints without end does not fill the memory with them.
std::function<void(std::string)> LineFunction(sgw_host* host, sgw_callback raw) {
  const Callback callback(raw, host->life);
  if (!callback) return [callback](const std::string&) {};
  const auto waiting = std::make_shared<std::atomic<int>>(0);
  return [&control = host->services.control, callback, waiting, has_warned = false](std::string line) mutable {
    if (*waiting >= kMaxWaitingLines) {
      if (!std::exchange(has_warned, true)) {
        spdlog::warn("{}: a child prints faster than its lines are read; some are left out", callback.life().name);
      }
      return;
    }
    ++*waiting;
    control.Post([callback, waiting, line = std::move(line)] {
      --*waiting;
      const sgw_view view = View(line);
      callback(&view);
    });
  };
}

sgw_id StartChild(sgw_host* host, const sgw_child_spec* spec) {
  if (!SGW_HAS(spec, on_exit)) return 0;
  HostServices& services = host->services;
  const std::uint64_t id = services.next_id++;
  {
    const std::lock_guard lock(host->life->mutex);
    host->life->children.insert(id);
  }
  Spawner::Events events;
  events.on_line = LineFunction(host, spec->on_line);
  events.on_end = [&control = services.control, id, life = host->life,
                   callback = Callback(spec->on_exit, host->life)](ChildEnd end) {
    {
      const std::lock_guard lock(life->mutex);
      life->children.erase(id);
    }
    control.Post([callback, end = std::move(end)] {
      const sgw_child_exit raw{sizeof(sgw_child_exit), end.exit_code, end.signal, 0, View(end.error)};
      callback(&raw);
    });
  };
  if (spec->argv.count > kMaxItems || spec->environment.count > kMaxItems)
    events.on_end({-1, 0, "a child has at most " + std::to_string(kMaxItems) + " arguments and variables"});
  else if (!services.spawner)
    events.on_end({-1, 0, "this process makes no children"});
  else
    services.spawner->Start(id, StartOf(*spec, services), std::move(events));
  return id;
}

bool IsOwnChild(sgw_host* host, sgw_id id) {
  const std::lock_guard lock(host->life->mutex);
  return host->services.spawner && host->life->children.count(id) > 0;
}

void EndChild(sgw_host* host, sgw_id id) {
  if (IsOwnChild(host, id)) host->services.spawner->End(id);
}

std::int64_t ChildPid(sgw_host* host, sgw_id id) {
  return IsOwnChild(host, id) ? host->services.spawner->PidOf(id) : 0;
}

std::uint32_t Exposure(sgw_host* host) { return host->services.exposure; }

}  // namespace

const sgw_host_table& HostFunctions() {
  static const sgw_host_table table = [] {
    sgw_host_table t{};
    t.size = sizeof(t);
    t.abi_major = SGW_ABI_MAJOR;
    t.abi_minor = SGW_ABI_MINOR;
    SetAnswerFunctions(t);
    SetHttpFunctions(t);
    t.log = Log;
    t.monotonic_ns = Monotonic;
    t.wall_ns = Wall;
    t.snapshot_make = SnapshotMake;
    t.snapshot_release = SnapshotRelease;
    t.lease_lost = LeaseLost;
    t.endpoint_gone = EndpointGone;
    t.timer_start = TimerStart;
    t.timer_cancel = TimerCancel;
    t.metric = Metric;
    t.metric_add = MetricAdd;
    t.metric_set = MetricSet;
    t.metric_observe = MetricObserve;
    t.run_blocking = RunBlocking;
    t.probe = Probe;
    t.file_watch = FileWatch;
    t.file_unwatch = FileUnwatch;
    t.child_start = StartChild;
    t.child_end = EndChild;
    t.exposure = Exposure;
    t.child_pid = ChildPid;
    return t;
  }();
  return table;
}

void TakeBack(const sgw_host& host) {
  HostServices& services = host.services;
  for (const std::uint64_t id : services.callbacks.RemoveAll(*host.life)) {
    services.timers.erase(id);
    services.files.Unwatch(id);
  }
  services.CancelHttp(host.life.get());
  std::set<std::uint64_t> children;
  {
    const std::lock_guard lock(host.life->mutex);
    children = host.life->children;
  }
  for (const std::uint64_t id : children) services.spawner->End(id);
}

}  // namespace sgw::core
