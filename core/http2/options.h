// What a connection may cost, and who counts it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "core/http2/held.h"

namespace sgw::core {

struct ConnectionOptions {
  std::uint32_t max_streams = 1000;          // at once, opened by the peer
  std::size_t max_header_bytes = 64 * 1024;  // of one header list, as HPACK counts it (plus 32 each)
  std::size_t max_header_fields = 200;
  std::size_t max_held_bytes = 64 << 20;                // received and not taken, per connection
  std::chrono::milliseconds handshake_timeout{10'000};  // TLS and the HTTP/2 preface
  std::chrono::milliseconds idle_timeout{30 * 60'000};  // without any stream
  std::chrono::milliseconds ping_interval{45'000};      // of silence, before we ask whether the peer is there
  std::chrono::milliseconds ping_timeout{20'000};
  bool ping_without_streams = true;
  BufferBudget* budget = nullptr;  // null: none
  // Told what was refused or went wrong, with a short fixed word: "header_bytes", "tls_on_plain_port" ... On a worker.
  std::function<void(const char* reason)> on_incident;
};

}  // namespace sgw::core
