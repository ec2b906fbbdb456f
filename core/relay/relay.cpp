#include "core/relay/relay.h"

#include <string>

namespace sgw::core {
namespace {

constexpr std::size_t kOtherMethod = static_cast<std::size_t>(SparkMethod::kUnknown) + 1;
constexpr std::size_t kHealthMethod = kOtherMethod + 1;

std::size_t MethodIndex(bool is_health, std::string_view path) {
  if (is_health) return kHealthMethod;
  // Without an auth step nobody looked at the method, and it is named all the same.
  if (!IsSparkConnect(path)) return kOtherMethod;
  return static_cast<std::size_t>(FactsOf(path).method);
}

std::string MethodName(std::size_t index, std::string_view path) {
  if (index == kHealthMethod) return "health";
  if (index == kOtherMethod) return "other";
  const std::string_view name = FactsOf(path).name;
  return name.empty() ? "unknown" : std::string(name);
}

}  // namespace

WorkerRelay::WorkerRelay(Relay& relay, Worker& worker, UpstreamPool& pool)
    : relay_(relay),
      worker_(worker),
      pool_(pool),
      live_(relay.metrics().Gauge("spark_gateway_live_calls", "Calls that have not ended.")),
      from_clients_(relay.metrics().Counter("spark_gateway_message_bytes_total", "Bytes of messages, by direction.",
                                            {{"direction", "from_client"}})),
      to_clients_(relay.metrics().Counter("spark_gateway_message_bytes_total", "Bytes of messages, by direction.",
                                          {{"direction", "to_client"}})) {}

WorkerRelay::~WorkerRelay() {
  calls_.clear_and_dispose([](Call* call) { delete call; });
}

StreamHandler* WorkerRelay::Begin(ServerConnection& connection, const std::shared_ptr<Stream>& client) {
  auto* call = new Call(*this, connection, client);
  calls_.push_back(*call);
  live_.Add(1);
  ++relay_.live_calls_;
  return call;
}

void WorkerRelay::DoNotWait() { --relay_.live_calls_; }

void WorkerRelay::Remove(Call& call) {
  if (!call.is_health()) --relay_.live_calls_;
  calls_.erase_and_dispose(calls_.iterator_to(call), [](Call* gone) { delete gone; });
  live_.Add(-1);
}

void WorkerRelay::Count(const Call& call) {
  const std::string_view path = call.context_.facts->method();
  const std::size_t index = MethodIndex(call.is_health(), path);
  const StatusCode status = call.outcome().code;
  const auto code = static_cast<std::size_t>(status);
  MethodSeries& series = series_[index];
  MetricsRegistry& metrics = relay_.metrics();
  if (!series.by_code[code]) {
    series.by_code[code] =
        &metrics.Counter("spark_gateway_requests_total", "Calls that have ended.",
                         {{"method", MethodName(index, path)}, {"code", std::string(CodeName(status))}});
  }
  if (!series.duration) {
    series.duration =
        &metrics.Histogram("spark_gateway_request_duration_seconds", "From a call's head to the end of its answer.",
                           {{"method", MethodName(index, path)}});
  }
  series.by_code[code]->Add(1);
  series.duration->Observe(std::chrono::duration<double>(call.duration()).count());
  from_clients_.Add(static_cast<double>(call.bytes_from_client()));
  to_clients_.Add(static_cast<double>(call.bytes_to_client()));
  if (call.context_.refused_by.empty()) return;
  metrics
      .Counter("spark_gateway_refusals_total", "Calls that the gateway refused, by the step or part that did.",
               {{"refused_by", call.context_.refused_by}})
      .Add(1);
}

void WorkerRelay::CountRefusedByDriver() {
  relay_.metrics()
      .Counter("spark_gateway_refused_by_drivers_total",
               "Calls that a driver refused for want of a token that it takes from the gateway.")
      .Add(1);
}

void WorkerRelay::TellDraining() {
  for (Call& call : calls_) call.TellDraining();
}

void WorkerRelay::GiveUp() {
  for (Call& call : calls_) call.GiveUp();
}

Relay::Relay(WorkerPool& workers, UpstreamPools& pools, Setup setup) : setup_(std::move(setup)) {
  for (std::size_t i = 0; i < workers.size(); ++i) {
    workers_.push_back(std::make_unique<WorkerRelay>(*this, workers[i], pools[i]));
  }
}

WorkerRelay& Relay::Of(const Worker& worker) {
  for (const auto& mine : workers_) {
    if (&mine->worker() == &worker) return *mine;
  }
  return *workers_.front();
}

void Relay::SetDraining() {
  if (is_draining_.exchange(true)) return;
  for (const auto& mine : workers_) {
    mine->worker().Post([raw = mine.get()] { raw->TellDraining(); });
  }
}

void Relay::GiveUp() {
  for (const auto& mine : workers_) {
    mine->worker().Post([raw = mine.get()] { raw->GiveUp(); });
  }
}

}  // namespace sgw::core
