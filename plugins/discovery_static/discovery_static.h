// Static knows its servers from the configuration itself.
#pragma once

#include <sgw/plugin.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sgw::plugins {

// How one server is reached.
struct StaticServer {
  Secret token{};
  std::optional<bool> tls{};
  std::string server_name{};

  static constexpr auto kSchema = Settings(
      Setting("token", &StaticServer::token, "Bearer token that the server wants to see; a reference."),
      Setting("tls", &StaticServer::tls, "Whether it is reached by TLS; without it, upstream.tls says so."),
      Setting("server_name", &StaticServer::server_name, "What its certificate must carry; the address's host."));

  Status Validate() const;
};

struct StaticSettings {
  Table<std::vector<std::string>> namespaces;
  Table<StaticServer> servers;

  static constexpr auto kSchema =
      Settings(Setting("namespaces", &StaticSettings::namespaces,
                       "Namespace to the addresses of its servers: host:port, [v6]:port or unix:/path.", kRequired),
               Setting("servers", &StaticSettings::servers, "Address to {token, tls, server_name} of its server."));

  Status Validate() const;
};

// A token that changes behind its reference is what servers are sent that are bound from then on.
class Static : public Discovery {
 public:
  Static(StaticSettings settings, Host& host);
  void Start(Completion<Status> done) override;
  DiscoveryAnswer Resolve(const DiscoveryCall& call) override;
  std::string Describe() const override;

 private:
  using Snapshots = std::map<std::string, EndpointSnapshot, std::less<>>;
  std::shared_ptr<const Snapshots> MakeSnapshots() const;
  void TakeToken(const std::string& address, const Secret& token);

  Host& host_;
  StaticSettings settings_;  // The tokens change, on the control thread.
  std::atomic<std::shared_ptr<const Snapshots>> snapshots_;
  std::vector<SecretWatch> watches_;
};

}  // namespace sgw::plugins
