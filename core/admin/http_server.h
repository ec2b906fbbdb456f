// HttpServer: /metrics, /healthz and /readyz, for Prometheus and for probes.
#pragma once

#include <sgw/status.h>

#include <memory>
#include <string>

#include "core/admin/backend.h"

namespace sgw::core {

class HttpServer {
 public:
  // Serves on "host:port"; port 0 lets the kernel choose. One thread; a connection that says nothing for 10 s is
  // closed.
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
