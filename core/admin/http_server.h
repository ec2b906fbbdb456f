// HttpServer: /metrics, /healthz and /readyz, for Prometheus and for probes.
#pragma once

#include <sgw/status.h>

#include <memory>
#include <string>

#include "core/admin/backend.h"

namespace sgw::core {

class HttpServer {
 public:
  // Serves on "host:port"; port 0 lets the kernel choose. A request has 10 s and 16 KiB, and the next connection over
  // 256 is closed at once. The metrics page is made on a thread of its own, so that probes never wait for it.
  static Result<std::unique_ptr<HttpServer>> Start(const std::string& address, AdminBackend& backend);
  ~HttpServer();
  // "127.0.0.1:9090", as bound.
  const std::string& address() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sgw::core
