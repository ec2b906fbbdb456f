// File knows its servers from a watched YAML file.
#pragma once

#include <sgw/plugin.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
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
using TokenReader = std::function<Result<Secret>(const std::string& path)>;
// `read_token` gives what a server's token_file has. INVALID_ARGUMENT with the line at fault.
Result<ServerTable> ReadServers(const std::string& text, const TokenReader& read_token);

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
  Result<Secret> ReadToken(const std::string& path);
  Status LoadWatched();
  // Watches what was named. True: something for the first time.
  bool WatchTokens();
  void OnChange();
  // Tells the host of servers whose address has another incarnation now.
  void TellGone(const Content& before, const Content& now) const;

  const std::string path_;
  Host& host_;
  const Counter failures_;
  std::atomic<std::shared_ptr<const Content>> content_;
  // All below: control thread, once it has started.
  bool is_broken_ = false;
  FileWatch watch_;
  std::set<std::string> token_files_;  // of the newest reading, also of one that failed
  std::map<std::string, FileWatch> token_watches_;
};

}  // namespace sgw::plugins
