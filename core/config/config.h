// Config: what one configuration file says, with every default filled in. configs/README.md is its reference.
#pragma once

#include <sgw/values.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config/complaints.h"

namespace sgw::core {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

struct ListenerConfig {
  std::string name;     // default: its address
  std::string address;  // "127.0.0.1:15002", "[::]:15002", "unix:/run/gateway.sock"
  std::string certificate;
  std::string key;
  std::string min_version;  // "1.2" or "1.3" with TLS
  std::string client_ca;    // empty: clients are not asked for certificates
  std::string client_crl;
  std::string client_mode;  // "required" or "optional" with a client_ca
  bool is_open = false;     // permits a pipeline without an auth step
  Place place;
  bool has_tls() const { return !certificate.empty(); }
  bool asks_for_certificates() const { return !client_ca.empty(); }
};

struct PluginConfig {
  std::string name;
  std::string use;  // a library's name, or a path with a slash
  Value settings;   // a map without `use` and `host`
  Place place;
};

enum class StepKind : std::uint8_t { kAuth, kRouter, kHotPool, kDiscovery, kAudit, kMetrics, kSessionStore };
// "auth", "hot-pool" and so on.
const char* KindName(StepKind kind);
// Takes '-' and '_' alike.
std::optional<StepKind> KindOf(std::string_view name);

struct StepConfig {
  StepKind kind = StepKind::kAuth;
  std::vector<std::string> instances;
  bool create = false;
  milliseconds hold = 25s;
  milliseconds give_up = 5min;
  Place place;
  bool is_observer() const { return kind == StepKind::kAudit || kind == StepKind::kMetrics; }
};

struct SessionsConfig {
  milliseconds idle_timeout = 60min;
  milliseconds max_age = 24h;
  Share share = Share::kUser;
  std::string state;  // file or folder of the journal; empty: sessions do not survive a restart
  milliseconds lost_after = 30s;
  milliseconds recheck = 5min;
  milliseconds unclaimed_after = 3min;
};

struct LimitsConfig {
  std::int64_t connections = 10'000;
  std::int64_t streams_per_connection = 1'000;
  std::int64_t header_bytes = 64 << 10;
  std::int64_t header_count = 200;
  std::int64_t buffer_bytes = 512 << 20;
  std::int64_t connection_buffer_bytes = 64 << 20;
  std::int64_t waiting_callers = 2'000;
  std::int64_t sessions = 200'000;
  std::int64_t sessions_per_subject = 5'000;  // where the Route's policy has no limit of its own
  milliseconds handshake_timeout = 10s;
  milliseconds idle_timeout = 30min;
  milliseconds ping_interval = 45s;
};

struct UpstreamConfig {
  milliseconds connect_timeout = 5s;
  milliseconds idle_timeout = 10min;
  std::string ca;  // empty: servers are reached without TLS
  std::string certificate;
  std::string key;
  bool has_tls() const { return !ca.empty(); }
};

struct DrainConfig {
  milliseconds delay = 0ms;
  milliseconds timeout = 130s;
};

struct AdminConfig {
  std::string address = "unix:/run/spark-gateway/admin.sock";
  std::string http = "127.0.0.1:9090";  // metrics and health; empty: none
};

struct LogConfig {
  std::string level = "info";
  std::string format = "text";  // or "json"
};

struct Config {
  std::string file;       // as given; for complaints
  std::string directory;  // absolute; relative paths start here
  std::vector<ListenerConfig> listeners;
  std::vector<std::string> secret_variables;  // of the environment, which are referred to; not for child processes
  std::vector<std::string> plugin_directories;
  std::vector<PluginConfig> plugins;
  std::vector<StepConfig> pipeline;
  SessionsConfig sessions;
  LimitsConfig limits;
  UpstreamConfig upstream;
  DrainConfig drain;
  AdminConfig admin;
  LogConfig log;
  std::int64_t workers = 0;             // 0: one per core
  std::map<std::string, Place> places;  // of the keys of sections that are written: "sessions.state"

  // Nowhere: the key is not written.
  Place PlaceOf(const std::string& key) const;

  // Takes '-' and '_' alike. Null: there is none.
  const PluginConfig* FindPlugin(std::string_view name) const;
};

}  // namespace sgw::core
