// Static knows its servers from the configuration itself.
#pragma once

#include <sgw/plugin.h>

#include <map>
#include <string>
#include <vector>

namespace sgw::plugins {

struct StaticSettings {
  Table<std::vector<std::string>> namespaces;

  static constexpr auto kSchema =
      Settings(Setting("namespaces", &StaticSettings::namespaces,
                       "Namespace to the addresses of its servers: host:port, [v6]:port or unix:/path.", kRequired));

  Status Validate() const;
};

class Static : public Discovery {
 public:
  Static(const StaticSettings& settings, Host& host);
  DiscoveryAnswer Resolve(const DiscoveryCall& call) override;
  std::string Describe() const override;

 private:
  const StaticSettings settings_;
  std::map<std::string, EndpointSnapshot, std::less<>> snapshots_;
};

}  // namespace sgw::plugins
