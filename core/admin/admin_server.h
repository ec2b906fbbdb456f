// AdminServer: the admin API of proto/spark_gateway/admin.proto, by grpc, on a socket of its own.
#pragma once

#include <sgw/status.h>

#include <memory>
#include <string>

#include "core/admin/backend.h"

namespace sgw::core {

class AdminServer {
 public:
  // Serves on "unix:/path" (mode 0600, its folder is made; what a killed gateway left there is replaced) or
  // "host:port". FAILED_PRECONDITION: a gateway that runs has the address, or it cannot be had. The backend outlives
  // it.
  static Result<std::unique_ptr<AdminServer>> Start(const std::string& address, AdminBackend& backend);
  ~AdminServer();

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sgw::core
