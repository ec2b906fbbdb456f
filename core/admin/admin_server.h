// AdminServer: the admin API of proto/spark_gateway/admin.proto, by grpc, on a socket of its own.
#pragma once

#include <sgw/status.h>

#include <memory>
#include <string>

#include "core/admin/backend.h"

namespace sgw::core {

class AdminServer {
 public:
  // Serves on "unix:/path" (mode 0600; a stale socket is replaced) or "host:port". The backend outlives it.
  static Result<std::unique_ptr<AdminServer>> Start(const std::string& address, AdminBackend& backend);
  ~AdminServer();

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sgw::core
