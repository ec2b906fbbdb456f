// AdminBackend: what operators may ask, answered by the gateway as a whole.
#pragma once

#include <sgw/status.h>

#include <string>
#include <vector>

#include "core/session/sessions.h"
#include "core/upstream/endpoint_table.h"

namespace sgw::core {

struct PluginView {
  std::string instance;
  std::string name;
  std::string kind;
  std::string file;
  std::string abi;
  std::string sdk;
  std::vector<std::string> capabilities;
  std::string state;
};

// What a plugin says of itself, as JSON.
struct DescribedView {
  std::string instance;
  std::string json;
};

struct MetricsPage {
  std::string content_type;
  std::string body;
};

// Safe for concurrent use; asked on threads of this room.
class AdminBackend {
 public:
  virtual ~AdminBackend() = default;
  // Why the gateway is not ready, a sentence each; empty: it is.
  virtual std::vector<std::string> NotReady() = 0;
  virtual std::vector<PluginView> ListPlugins() = 0;
  virtual std::vector<SessionView> ListSessions() = 0;
  virtual Status EndSession(const SessionName& name) = 0;
  virtual std::vector<DescribedView> DescribePools() = 0;
  virtual std::vector<DescribedView> DescribeDiscoveries() = 0;
  virtual std::vector<EndpointView> ListEndpoints() = 0;
  // YAML that `check` takes, or JSON.
  virtual std::string EffectiveConfig(bool as_json) = 0;
  // NOT_FOUND: no metrics plugin is configured. UNAVAILABLE: it does not run yet.
  virtual Result<MetricsPage> Metrics() = 0;
};

}  // namespace sgw::core
