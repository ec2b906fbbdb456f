#include "discovery_static.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

namespace sgw::plugins {
namespace {

// Of the setting with this server's token, as RFC 6901 has it.
std::string PointerOfToken(std::string_view address) {
  std::string pointer = "/servers/";
  for (const char c : address) pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return pointer + "/token";
}

Endpoint EndpointOf(const std::string& address, const Table<StaticServer>& servers) {
  Endpoint endpoint{.address = address};
  const auto at = std::find_if(servers.begin(), servers.end(), [&](const auto& each) { return each.first == address; });
  if (at == servers.end()) return endpoint;
  endpoint.token = at->second.token;
  if (at->second.tls) endpoint.tls = *at->second.tls ? Tls::kOn : Tls::kOff;
  endpoint.server_name = at->second.server_name;
  return endpoint;
}

}  // namespace

Status StaticServer::Validate() const {
  if (token.empty() || IsToken(token.Reveal())) return {};
  return InvalidArgument("token: has a character that no bearer token has, such as a blank or a line's end");
}

Status StaticSettings::Validate() const {
  if (namespaces.empty()) return InvalidArgument("namespaces: needs at least one namespace");
  std::set<std::string_view> named;
  for (const auto& [name, addresses] : namespaces) {
    for (const std::string& address : addresses) {
      named.insert(address);
      if (IsAddress(address)) continue;
      return InvalidArgument("namespaces." + name + ": '" + address + "' is not host:port, [v6]:port or unix:/path");
    }
  }
  for (const auto& [address, server] : servers) {
    if (!named.contains(address)) return InvalidArgument("servers." + address + ": no namespace has this address");
  }
  return {};
}

Static::Static(StaticSettings settings, Host& host)
    : host_(host), settings_(std::move(settings)), snapshots_(MakeSnapshots()) {}

void Static::Start(Completion<Status> done) {
  for (const auto& [address, server] : settings_.servers) {
    watches_.push_back(host_.WatchSecret(
        PointerOfToken(address), [this, address = address](const Secret& token) { TakeToken(address, token); }));
  }
  done(Status());
}

std::shared_ptr<const Static::Snapshots> Static::MakeSnapshots() const {
  auto snapshots = std::make_shared<Snapshots>();
  for (const auto& [name, addresses] : settings_.namespaces) {
    std::vector<Endpoint> endpoints;
    for (const std::string& address : addresses) endpoints.push_back(EndpointOf(address, settings_.servers));
    snapshots->emplace(name, host_.MakeSnapshot(endpoints));
  }
  return snapshots;
}

void Static::TakeToken(const std::string& address, const Secret& token) {
  if (!IsToken(token.Reveal())) {
    host_.Error("the changed token of " + address + " is none that can be sent; the one before stays");
    return;
  }
  for (auto& [each, server] : settings_.servers) {
    if (each == address) server.token = token;
  }
  snapshots_ = MakeSnapshots();
  host_.Info("the changed token of " + address + " is in use");
}

DiscoveryAnswer Static::Resolve(const DiscoveryCall& call) {
  const auto snapshots = snapshots_.load();
  // Without a router the Route is empty, and a discovery with one namespace answers it.
  if (call.route().namespace_.empty() && snapshots->size() == 1) return snapshots->begin()->second;
  const auto found = snapshots->find(call.route().namespace_);
  if (found == snapshots->end()) return Next{};
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
