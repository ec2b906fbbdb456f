#include "discovery_static.h"

namespace sgw::plugins {

Status StaticSettings::Validate() const {
  if (namespaces.empty()) return InvalidArgument("namespaces: needs at least one namespace");
  for (const auto& [name, addresses] : namespaces) {
    for (const std::string& address : addresses) {
      if (IsAddress(address)) continue;
      return InvalidArgument("namespaces." + name + ": '" + address + "' is not host:port, [v6]:port or unix:/path");
    }
  }
  return {};
}

Static::Static(const StaticSettings& settings, Host& host) : settings_(settings) {
  for (const auto& [name, addresses] : settings_.namespaces) {
    std::vector<Endpoint> endpoints;
    for (const std::string& address : addresses) endpoints.push_back({.address = address});
    snapshots_.emplace(name, host.MakeSnapshot(endpoints));
  }
}

DiscoveryAnswer Static::Resolve(const DiscoveryCall& call) {
  // Without a router the Route is empty, and a discovery with one namespace answers it.
  if (call.route().namespace_.empty() && snapshots_.size() == 1) return snapshots_.begin()->second;
  const auto found = snapshots_.find(call.route().namespace_);
  if (found == snapshots_.end()) return Next{};
  return found->second;
}

std::string Static::Describe() const {
  JsonWriter json;
  json.BeginObject().Key("namespaces").BeginArray();
  for (const auto& [name, addresses] : settings_.namespaces) {
    json.BeginObject().Member("namespace", name).Key("endpoints").BeginArray();
    for (const std::string& address : addresses)
      json.BeginObject().Member("address", address).Member("incarnation", "").EndObject();
    json.EndArray().EndObject();
  }
  json.EndArray().EndObject();
  return std::move(json).Text();
}

}  // namespace sgw::plugins
