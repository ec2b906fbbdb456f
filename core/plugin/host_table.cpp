#include <spdlog/spdlog.h>

#include <future>

#include "core/http2/client_connection.h"
#include "core/plugin/instance.h"
#include "core/plugin/raw_views.h"

namespace sgw::core {
namespace {

// A plugin's callback, dropped exactly once when its last copy goes.
class Callback {
 public:
  explicit Callback(sgw_callback raw)
      : raw_(std::shared_ptr<sgw_callback>(new sgw_callback(raw), [](sgw_callback* last) {
          if (last->drop) last->drop(last->context);
          delete last;
        })) {}
  void operator()(const void* argument) const {
    if (raw_->call) raw_->call(raw_->context, argument);
  }

 private:
  std::shared_ptr<sgw_callback> raw_;
};

// Runs on the control thread and returns when it has run there.
void OnControl(HostServices& services, const std::function<void()>& function) {
  if (services.control.IsCurrent()) return function();
  std::promise<void> done;
  services.control.Post([&] {
    function();
    done.set_value();
  });
  done.get_future().get();
}

std::map<std::uint64_t, Timer>& Timers() {
  thread_local std::map<std::uint64_t, Timer> timers;  // of the control thread
  return timers;
}

}  // namespace

struct HostTable {
  static void Log(sgw_host* host, std::int32_t level, sgw_view text) {
    constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                     spdlog::level::err};
    const auto index = level < 0 || level > 3 ? 1 : level;
    spdlog::log(kLevels[index], "{}: {}", host->instance->name(), TextOf(text));
  }

  static std::uint64_t Monotonic(sgw_host* host) {
    return static_cast<std::uint64_t>(host->services->clock->Now().time_since_epoch().count());
  }
  static std::uint64_t Wall(sgw_host* host) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(host->services->clock->Wall().time_since_epoch()).count());
  }

  // The part of an answer that all kinds share: Next and Status.
  template <typename Raw, typename Value>
  static PluginAnswer AnswerOf(const Raw* answer, Value value) {
    switch (answer->answer) {
      case SGW_ANSWER_VALUE:
        return value();
      case SGW_ANSWER_NEXT:
        return Next{};
      default: {
        Status status = StatusOf(answer->status);
        if (status.ok()) return Internal("the plugin refused with an OK status");
        return status;
      }
    }
  }

  static void AnswerAuth(sgw_host* host, sgw_ask ask, const sgw_auth_answer* raw) {
    host->services->asks.Answer(ask, AnswerOf(raw, [&]() -> PluginAnswer {
                                  if (!raw->identity) return Internal("the plugin answered without an identity");
                                  Identity identity = IdentityOf(*raw->identity);
                                  if (identity.subject.empty() && !identity.is_as_claimed)
                                    return Internal("the plugin answered with an empty subject");
                                  return identity;
                                }));
  }
  static void AnswerRouter(sgw_host* host, sgw_ask ask, const sgw_router_answer* raw) {
    host->services->asks.Answer(ask, AnswerOf(raw, [&]() -> PluginAnswer {
                                  if (!raw->route) return Internal("the plugin answered without a route");
                                  return RouteOf(*raw->route);
                                }));
  }
  static void AnswerPool(sgw_host* host, sgw_ask ask, const sgw_pool_answer* raw) {
    std::string lease_id;
    const bool had_effect = host->services->asks.Answer(ask, AnswerOf(raw, [&]() -> PluginAnswer {
                                                          if (!raw->lease)
                                                            return Internal("the plugin answered without a lease");
                                                          lease_id = TextOf(raw->lease->id);
                                                          return Lease{lease_id, EndpointOf(raw->lease->endpoint)};
                                                        }));
    // A server that nobody waits for goes back at once.
    if (!had_effect && !lease_id.empty()) host->instance->Release(lease_id, LeaseOutcome::kUnclaimed);
  }
  static void AnswerDiscovery(sgw_host* host, sgw_ask ask, const sgw_discovery_answer* raw) {
    host->services->asks.Answer(ask, AnswerOf(raw, [&]() -> PluginAnswer {
                                  if (!raw->snapshot) return Internal("the plugin answered without a snapshot");
                                  return raw->snapshot->endpoints;
                                }));
  }
  static void AnswerSession(sgw_host* host, sgw_ask ask, const sgw_session_answer* raw) {
    host->services->asks.Answer(ask,
                                AnswerOf(raw, [&]() -> PluginAnswer { return BindingAnswer{TextOf(raw->binding)}; }));
  }
  static void AnswerDone(sgw_host* host, sgw_ask ask, const sgw_status* status) {
    Status answer = StatusOf(status);
    host->services->asks.Answer(ask, answer.ok() ? PluginAnswer(Done()) : PluginAnswer(std::move(answer)));
  }
  static void ReportPhase(sgw_host* host, sgw_ask ask, sgw_view phase) {
    host->services->asks.ReportPhase(ask, TextOf(phase).substr(0, 200));
  }

  static sgw_snapshot* SnapshotMake(sgw_host*, const sgw_endpoint* endpoints, std::uint64_t count) {
    std::vector<Endpoint> list;
    for (std::uint64_t i = 0; i < count; ++i) list.push_back(EndpointOf(endpoints[i]));
    auto* snapshot = new sgw_snapshot;
    snapshot->endpoints = std::make_shared<const std::vector<Endpoint>>(std::move(list));
    return snapshot;
  }
  static void SnapshotRelease(sgw_host*, sgw_snapshot* snapshot) {
    if (--snapshot->count == 0) delete snapshot;
  }

  static void LeaseLost(sgw_host* host, sgw_view lease_id, sgw_view reason) {
    if (host->services->on_lease_lost) {
      host->services->on_lease_lost(host->instance->name(), TextOf(lease_id), TextOf(reason));
    }
  }
  static void EndpointGone(sgw_host* host, sgw_view address, sgw_view incarnation, sgw_view reason) {
    if (host->services->on_endpoint_gone) {
      host->services->on_endpoint_gone(TextOf(address), TextOf(incarnation), TextOf(reason));
    }
  }

  static sgw_id TimerStart(sgw_host* host, std::int64_t delay_ms, sgw_callback raw) {
    HostServices& services = *host->services;
    const std::uint64_t id = services.next_id++;
    const Callback callback(raw);
    const auto start = [&services, id, callback, delay_ms] {
      Timers()[id] =
          services.control.StartTimer(std::chrono::milliseconds(delay_ms < 0 ? 0 : delay_ms), [id, callback] {
            Timers().erase(id);
            callback(nullptr);
          });
    };
    if (services.control.IsCurrent())
      start();
    else
      services.control.Post(start);
    return id;
  }
  static void TimerCancel(sgw_host* host, sgw_id id) {
    OnControl(*host->services, [id] { Timers().erase(id); });
  }

  static sgw_series* Metric(sgw_host* host, std::uint32_t type, sgw_view name, sgw_view help, sgw_pairs labels,
                            const double* bounds, std::uint64_t bound_count) {
    MetricLabels all = {{"plugin", host->instance->name()}};
    for (std::uint64_t i = 0; i < labels.count; ++i)
      all.emplace_back(TextOf(labels.items[i].key), TextOf(labels.items[i].value));
    if (type > SGW_METRIC_HISTOGRAM) return nullptr;
    return reinterpret_cast<sgw_series*>(
        host->services->metrics.Get(static_cast<MetricType>(type), TextOf(name), TextOf(help), all,
                                    std::vector<double>(bounds, bounds + bound_count)));
  }
  static void MetricAdd(sgw_series* series, double amount) {
    if (series) reinterpret_cast<Series*>(series)->Add(amount);
  }
  static void MetricSet(sgw_series* series, double value) {
    if (series) reinterpret_cast<Series*>(series)->Set(value);
  }
  static void MetricObserve(sgw_series* series, double value) {
    if (series) reinterpret_cast<Series*>(series)->Observe(value);
  }

  static std::int32_t RunBlocking(sgw_host* host, sgw_callback raw) {
    return host->services->blocking.Run([callback = Callback(raw)] { callback(nullptr); }) ? 1 : 0;
  }

  static void Probe(sgw_host* host, const sgw_endpoint* endpoint, std::int64_t timeout_ms, sgw_callback raw) {
    Worker& control = host->services->control;
    control.Post([&control, callback = Callback(raw), address = TextOf(endpoint->address), timeout_ms] {
      auto holder = std::make_shared<std::shared_ptr<ClientConnection>>();
      ClientConnection::Setup setup;
      setup.address = address;
      setup.connect_timeout = std::chrono::milliseconds(timeout_ms);
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

  static sgw_id FileWatch(sgw_host* host, sgw_view path, sgw_callback raw) {
    HostServices& services = *host->services;
    const std::uint64_t id = services.next_id++;
    const auto watch = [&services, id, path = TextOf(path), callback = Callback(raw)] {
      services.files.Watch(id, path, [callback] { callback(nullptr); });
    };
    if (services.control.IsCurrent())
      watch();
    else
      services.control.Post(watch);
    return id;
  }
  static void FileUnwatch(sgw_host* host, sgw_id id) {
    OnControl(*host->services, [host, id] { host->services->files.Unwatch(id); });
  }

  static sgw_id ChildStart(sgw_host* host, const sgw_child_spec* spec) {
    HostServices& services = *host->services;
    const std::uint64_t id = services.next_id++;
    core::ChildStart start;
    for (std::uint64_t i = 0; i < spec->argv.count; ++i) start.argv.push_back(TextOf(spec->argv.items[i]));
    for (std::uint64_t i = 0; i < spec->environment.count; ++i) {
      start.environment.emplace_back(TextOf(spec->environment.items[i].key), TextOf(spec->environment.items[i].value));
    }
    start.working_directory = TextOf(spec->working_directory);
    start.output_path = TextOf(spec->output_path);
    start.kill_after_ms = spec->kill_after_ms;
    Worker& control = services.control;
    Spawner::Events events;
    events.on_line = [&control, callback = Callback(spec->on_line)](std::string line) {
      control.Post([callback, line = std::move(line)] {
        const sgw_view view = View(line);
        callback(&view);
      });
    };
    events.on_end = [&control, callback = Callback(spec->on_exit)](ChildEnd end) {
      control.Post([callback, end = std::move(end)] {
        const sgw_child_exit raw{sizeof(sgw_child_exit), end.exit_code, end.signal, 0, View(end.error)};
        callback(&raw);
      });
    };
    if (services.spawner)
      services.spawner->Start(id, start, std::move(events));
    else
      events.on_end({-1, 0, "this process can make no children"});
    return id;
  }
  static void ChildEndIt(sgw_host* host, sgw_id id) {
    if (host->services->spawner) host->services->spawner->End(id);
  }
  static std::int64_t ChildPid(sgw_host* host, sgw_id id) {
    return host->services->spawner ? host->services->spawner->PidOf(id) : 0;
  }

  static std::uint32_t Exposure(sgw_host* host) { return host->services->exposure; }
};

const sgw_host_table& HostFunctions() {
  static const sgw_host_table table = [] {
    sgw_host_table t{};
    t.size = sizeof(t);
    t.abi_major = SGW_ABI_MAJOR;
    t.abi_minor = SGW_ABI_MINOR;
    t.log = HostTable::Log;
    t.monotonic_ns = HostTable::Monotonic;
    t.wall_ns = HostTable::Wall;
    t.answer_auth = HostTable::AnswerAuth;
    t.answer_router = HostTable::AnswerRouter;
    t.answer_pool = HostTable::AnswerPool;
    t.answer_discovery = HostTable::AnswerDiscovery;
    t.answer_session = HostTable::AnswerSession;
    t.answer_done = HostTable::AnswerDone;
    t.report_phase = HostTable::ReportPhase;
    t.snapshot_make = HostTable::SnapshotMake;
    t.snapshot_release = HostTable::SnapshotRelease;
    t.lease_lost = HostTable::LeaseLost;
    t.endpoint_gone = HostTable::EndpointGone;
    t.timer_start = HostTable::TimerStart;
    t.timer_cancel = HostTable::TimerCancel;
    t.metric = HostTable::Metric;
    t.metric_add = HostTable::MetricAdd;
    t.metric_set = HostTable::MetricSet;
    t.metric_observe = HostTable::MetricObserve;
    t.run_blocking = HostTable::RunBlocking;
    t.probe = HostTable::Probe;
    t.file_watch = HostTable::FileWatch;
    t.file_unwatch = HostTable::FileUnwatch;
    t.child_start = HostTable::ChildStart;
    t.child_end = HostTable::ChildEndIt;
    t.exposure = HostTable::Exposure;
    t.child_pid = HostTable::ChildPid;
    return t;
  }();
  return table;
}

}  // namespace sgw::core
