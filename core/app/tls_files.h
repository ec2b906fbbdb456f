// TLS from files that may be replaced while the process runs.
#pragma once

#include <sgw/status.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/config/config.h"
#include "core/http2/tls.h"
#include "core/plugin/file_watcher.h"
#include "core/worker/metrics_registry.h"

namespace sgw::core {

ListenerTls TlsOf(const ListenerConfig& listener);
TlsFiles TlsOf(const UpstreamConfig& upstream);

// Loads, and loads again when a file has changed. What cannot be used is said once, and what was good stays.
class TlsWatch {
 public:
  using Load = std::function<Result<std::shared_ptr<const TlsContext>>()>;

  explicit TlsWatch(MetricsRegistry& metrics) : metrics_(metrics) {}

  // Not OK: the files are not good now. `name` stands in logs and metrics.
  Result<std::shared_ptr<const TlsSource>> Keep(const std::string& name, const TlsFiles& files, Load load);

 private:
  struct Kept {
    std::string name;
    Load load;
    std::shared_ptr<TlsSource> source;
    std::string told;  // the last complaint; empty: the files are in use
    Series& stale;
    Series& not_after;
  };

  void Changed(std::uint64_t id);
  void Count(const Kept& kept, const char* result);

  MetricsRegistry& metrics_;
  std::mutex mutex_;  // Guards kept_, and what is in it.
  std::vector<Kept> kept_;
  std::optional<FileWatcher> files_;  // Goes first: its thread looks at the others.
};

}  // namespace sgw::core
