// File knows its servers from a watched YAML file.
#pragma once

#include <sgw/plugin.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sgw::plugins {

struct FileSettings {
  std::string path;

  static constexpr auto kSchema =
      Settings(Setting("path", &FileSettings::path, "The file: a map of namespaces to lists of servers.", kRequired));
};

// Namespaces to their servers.
using ServerTable = std::map<std::string, std::vector<Endpoint>, std::less<>>;
// INVALID_ARGUMENT with the line at fault.
Result<ServerTable> ReadServers(const std::string& text);

class File : public Discovery {
 public:
  // Throws when the file cannot be read or has a mistake.
  File(const FileSettings& settings, Host& host);
  void Start(Completion<Status> done) override;
  DiscoveryAnswer Resolve(const DiscoveryCall& call) override;
  std::string Describe() const override;

 private:
  struct Content {
    ServerTable servers;
    std::map<std::string, EndpointSnapshot, std::less<>> snapshots;
  };
  Status Load();
  // Tells the host of servers whose address has another incarnation now.
  void TellGone(const Content& before, const Content& now) const;

  const std::string path_;
  Host& host_;
  const Counter failures_;
  std::atomic<std::shared_ptr<const Content>> content_;
  bool is_broken_ = false;  // control thread
  FileWatch watch_;
};

}  // namespace sgw::plugins
