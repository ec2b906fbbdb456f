// AdminClient: puts an operator's questions to a running gateway, through its admin API.
#pragma once

#include <sgw/status.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/admin/backend.h"

namespace sgw::core {

// Each question waits for its answer, at most 30 s. UNAVAILABLE: no gateway answers at the address.
class AdminClient {
 public:
  // "unix:/path" or "host:port".
  explicit AdminClient(const std::string& address);
  ~AdminClient();

  struct Endpoints {
    std::vector<EndpointView> endpoints;     // that the gateway holds connections to or has set aside
    std::vector<DescribedView> discoveries;  // what each says of itself
  };

  Result<std::vector<PluginView>> ListPlugins();
  Result<std::vector<SessionView>> ListSessions();  // newest first
  Result<std::vector<DescribedView>> ListPools();
  Result<Endpoints> ListEndpoints();

  enum class List : std::uint8_t { kPlugins, kSessions, kPools, kEndpoints };
  // One of these lists for a program: the reply of admin.proto, with what plugins say of themselves as JSON within it.
  Result<std::string> Json(List list);

  Status EndSession(const SessionName& name);
  // YAML that `check` takes, or JSON.
  Result<std::string> EffectiveConfig(bool as_json);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace sgw::core
