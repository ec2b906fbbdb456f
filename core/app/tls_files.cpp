#include "core/app/tls_files.h"

#include <spdlog/spdlog.h>

namespace sgw::core {
namespace {

constexpr std::uint64_t kFilesEach = 4;

double Seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace

ListenerTls TlsOf(const ListenerConfig& listener) {
  return {{listener.certificate, listener.key, listener.client_ca, listener.client_crl},
          listener.client_mode != "optional",
          listener.min_version == "1.3"};
}

TlsFiles TlsOf(const UpstreamConfig& upstream) { return {upstream.certificate, upstream.key, upstream.ca, ""}; }

Result<std::shared_ptr<const TlsSource>> TlsWatch::Keep(const std::string& name, const TlsFiles& files, Load load) {
  const std::lock_guard lock(mutex_);
  if (!files_) files_.emplace([this](std::uint64_t changed) { Changed(changed); });
  std::uint64_t id = kept_.size() * kFilesEach;
  // From before it is read: no change falls between the two.
  for (const std::string& path : {files.certificate, files.key, files.ca, files.crl}) {
    if (!path.empty()) files_->Watch(id, path);
    ++id;
  }
  auto first = load();
  if (!first) return first.status();
  const MetricLabels labels = {{"name", name}};
  kept_.push_back({name,
                   std::move(load),
                   std::make_shared<TlsSource>(*first),
                   {},
                   metrics_.Gauge("spark_gateway_tls_stale", "1 while TLS files are not those in use.", labels),
                   metrics_.Gauge("spark_gateway_tls_certificate_not_after_seconds",
                                  "The end of the certificate in use, in Unix time.", labels)});
  kept_.back().not_after.Set(Seconds((*first)->not_after()));
  return std::shared_ptr<const TlsSource>(kept_.back().source);
}

void TlsWatch::Changed(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  if (id / kFilesEach >= kept_.size()) return;
  Kept& kept = kept_[id / kFilesEach];
  auto next = kept.load();
  kept.stale.Set(next ? 0 : 1);
  if (next) {
    kept.not_after.Set(Seconds((*next)->not_after()));
    kept.source->Replace(*std::move(next));
    kept.told.clear();
    Count(kept, "taken");
    return spdlog::info("{}: the changed TLS files are in use", kept.name);
  }
  const bool is_waiting = next.status().code() == StatusCode::kAborted;
  Count(kept, is_waiting ? "waiting" : "broken");
  if (std::exchange(kept.told, next.status().message()) == next.status().message()) return;
  spdlog::log(is_waiting ? spdlog::level::info : spdlog::level::warn, "{}: {}; the earlier TLS files stay in use{}",
              kept.name, next.status().message(), is_waiting ? " until the other of the two has changed, too" : "");
}

void TlsWatch::Count(const Kept& kept, const char* result) {
  metrics_
      .Counter("spark_gateway_tls_reloads_total", "Changes of TLS files, by what came of them.",
               {{"name", kept.name}, {"result", result}})
      .Add(1);
}

}  // namespace sgw::core
