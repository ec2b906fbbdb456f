// The keys of a configuration with their bounds, once: for reading them, for writing them, and for the reference.
//
// A visitor has the methods of MapReader; MapWriter is another one. `Config` may be const.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "core/config/config.h"

namespace sgw::core {

template <typename Listener, typename Visitor>
void VisitListener(Listener& listener, Visitor& v) {
  v.Address("address", listener.address);
  v.Name("name", listener.name);
  v.Section("tls", [&](auto& tls) {
    tls.Path("certificate", listener.certificate);
    tls.Path("key", listener.key);
    tls.Word("min_version", listener.min_version, {"1.2", "1.3"});
    tls.Section("client", [&](auto& client) {
      client.Path("ca", listener.client_ca);
      client.Path("crl", listener.client_crl);
      client.Word("mode", listener.client_mode, {"required", "optional"});
    });
  });
  v.Bool("open", listener.is_open);
}

// The keys that a step of its kind has. Nobody waits for an observer, and only what makes servers can give up.
template <typename Step, typename Visitor>
void VisitStep(Step& step, Visitor& v) {
  if (step.kind == StepKind::kHotPool) v.Bool("create", step.create);
  if (!step.is_observer()) v.Duration("hold", step.hold, 1ms, 1h);
  if (step.create) v.Duration("give_up", step.give_up, 1ms, 24h);
}

template <typename Sessions, typename Visitor>
void VisitSessions(Sessions& sessions, Visitor& v) {
  const std::vector<std::string> words = {"session", "user", "team"};
  std::string share =  // NOLINT(performance-unnecessary-copy-initialization): a reader changes it
      words[static_cast<std::size_t>(sessions.share) - 1];
  v.Word("share", share, words);
  if constexpr (!std::is_const_v<Sessions>) {
    const auto at = std::find(words.begin(), words.end(), share) - words.begin();
    sessions.share = static_cast<Share>(at + 1);
  }
  v.Duration("idle_timeout", sessions.idle_timeout, 1s, 365 * 24h);
  v.Duration("max_age", sessions.max_age, 1s, 365 * 24h);
  v.Path("state", sessions.state);
  v.Duration("lost_after", sessions.lost_after, 100ms, 24h);
  v.Duration("recheck", sessions.recheck, 1s, 365 * 24h);
  v.Duration("unclaimed_after", sessions.unclaimed_after, 1s, 24h);
}

template <typename Limits, typename Visitor>
void VisitLimits(Limits& limits, Visitor& v) {
  v.Count("connections", limits.connections, 1, 1'000'000);
  v.Count("streams_per_connection", limits.streams_per_connection, 1, 100'000);
  v.Size("header_bytes", limits.header_bytes, 1 << 10, 1 << 20);
  v.Count("header_count", limits.header_count, 16, 10'000);
  v.Size("buffer_bytes", limits.buffer_bytes, 1 << 20, std::int64_t{1} << 40);
  v.Size("connection_buffer_bytes", limits.connection_buffer_bytes, 64 << 10, std::int64_t{1} << 40);
  v.Count("waiting_callers", limits.waiting_callers, 1, 1'000'000);
  v.Count("sessions", limits.sessions, 1, 10'000'000);
  v.Count("sessions_per_subject", limits.sessions_per_subject, 1, 10'000'000);
  v.Duration("handshake_timeout", limits.handshake_timeout, 100ms, 10min);
  v.Duration("idle_timeout", limits.idle_timeout, 1s, 7 * 24h);
  v.Duration("ping_interval", limits.ping_interval, 1s, 24h);
}

// All but listeners, plugins and pipeline.
template <typename Config, typename Visitor>
void VisitSections(Config& config, Visitor& v) {
  v.Section("sessions", [&](auto& section) { VisitSessions(config.sessions, section); });
  v.Section("limits", [&](auto& section) { VisitLimits(config.limits, section); });
  v.Section("upstream", [&](auto& section) {
    section.Duration("connect_timeout", config.upstream.connect_timeout, 10ms, 10min);
    section.Duration("idle_timeout", config.upstream.idle_timeout, 1s, 7 * 24h);
    section.Section("tls", [&](auto& tls) {
      tls.Path("ca", config.upstream.ca);
      tls.Path("certificate", config.upstream.certificate);
      tls.Path("key", config.upstream.key);
    });
  });
  v.Section("drain", [&](auto& section) {
    section.Duration("delay", config.drain.delay, 0ms, 1h);
    section.Duration("timeout", config.drain.timeout, 0ms, 24h);
  });
  v.Section("admin", [&](auto& section) {
    section.Address("address", config.admin.address);
    section.TcpAddress("http", config.admin.http);
  });
  v.Section("log", [&](auto& section) {
    section.Word("level", config.log.level, {"debug", "info", "warning", "error"});
    section.Word("format", config.log.format, {"text", "json"});
  });
  v.Count("workers", config.workers, 0, 1024);
}

}  // namespace sgw::core
