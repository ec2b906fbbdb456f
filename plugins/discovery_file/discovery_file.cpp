#include "discovery_file.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace sgw::plugins {
namespace {

constexpr std::size_t kMaxFile = 16 << 20;
constexpr std::size_t kMaxToken = 64 << 10;
constexpr std::int64_t kMaxWeight = std::numeric_limits<std::uint32_t>::max();
constexpr auto kMembers = "address, incarnation, weight, tls, server_name, token_file";

Status Wrong(const YAML::Node& node, const std::string& why) {
  return InvalidArgument("line " + std::to_string(node.Mark().line + 1) + ": " + why);
}

// The end of the first document; YAML::LoadAll would see documents without end before a ',' at the start of a line.
class FirstDocument : public YAML::EventHandler {
 public:
  explicit FirstDocument(const std::string& text) : stream_(text), parser_(stream_) {
    parser_.HandleNextDocument(*this);
  }
  bool is_all() const { return !parser_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::istringstream stream_;
  YAML::Parser parser_;
};

// What a file has; FAILED_PRECONDITION when it cannot be read or has more bytes than these.
Result<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  file.peek();  // A folder can be opened.
  if (!file.is_open() || file.bad()) return FailedPrecondition("cannot read " + path + ": " + std::strerror(errno));
  std::string text(max_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > max_bytes) {
    return FailedPrecondition(path + " has more than " + std::to_string(max_bytes >> 10) + " KiB");
  }
  return text;
}

Result<Endpoint> EndpointOf(const YAML::Node& node, const TokenReader& read_token) {
  Endpoint endpoint;
  if (node.IsScalar()) {
    endpoint.address = node.as<std::string>();
  } else if (node.IsMap()) {
    std::set<std::string> seen;
    for (const auto& member : node) {
      const auto key = member.first.as<std::string>();
      if (!seen.insert(key).second) return Wrong(member.first, "'" + key + "' stands here a second time");
      if (key == "address")
        endpoint.address = member.second.as<std::string>();
      else if (key == "incarnation")
        endpoint.incarnation = member.second.as<std::string>();
      else if (key == "weight") {
        const auto weight = member.second.as<std::int64_t>(0);
        if (weight < 1 || weight > kMaxWeight) return Wrong(member.second, "weight must be a whole number from 1 on");
        endpoint.weight = static_cast<std::uint32_t>(weight);
      } else if (key == "tls")
        endpoint.tls = member.second.as<bool>() ? Tls::kOn : Tls::kOff;
      else if (key == "server_name")
        endpoint.server_name = member.second.as<std::string>();
      else if (key == "token_file") {
        auto token = read_token(member.second.as<std::string>());
        if (!token) return Wrong(member.second, token.status().message());
        endpoint.token = *std::move(token);
      } else
        return Wrong(member.first, "there is no '" + key + "'; a server has " + kMembers);
    }
  } else {
    return Wrong(node, std::string("a server is an address, or a map of ") + kMembers);
  }
  if (!IsAddress(endpoint.address)) {
    return Wrong(node, "'" + endpoint.address + "' is not host:port, [v6]:port or unix:/path");
  }
  return endpoint;
}

}  // namespace

Result<ServerTable> ReadServers(const std::string& text, const TokenReader& read_token) {
  ServerTable table;
  try {
    const YAML::Node root = YAML::Load(text);
    if (!FirstDocument(text).is_all()) return InvalidArgument("line 1: the file has more than one document");
    if (!root.IsMap()) return InvalidArgument("line 1: the file is a map of namespaces to lists of servers");
    for (const auto& member : root) {
      const auto name = member.first.as<std::string>();
      if (!member.second.IsSequence()) return Wrong(member.second, "'" + name + "' must have a list of servers");
      auto [at, is_new] = table.try_emplace(name);
      if (!is_new) return Wrong(member.first, "'" + name + "' stands here a second time");
      for (const YAML::Node& one : member.second) {
        auto endpoint = EndpointOf(one, read_token);
        if (!endpoint) return endpoint.status();
        at->second.push_back(*std::move(endpoint));
      }
    }
  } catch (const YAML::Exception& error) {
    return InvalidArgument("line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
  return table;
}

File::File(const FileSettings& settings, Host& host)
    : path_(host.Path(settings.path)),
      host_(host),
      failures_(host.MakeCounter("spark_gateway_discovery_file_failures_total", "Readings of the file that failed.")),
      content_(std::make_shared<const Content>()) {
  if (const Status status = Load(); !status.ok()) throw std::runtime_error("path: " + status.message());
}

Status File::Load() {
  const auto text = ReadFile(path_, kMaxFile);
  if (!text) return text.status();
  token_files_.clear();
  auto table = ReadServers(*text, [this](const std::string& path) { return ReadToken(path); });
  if (!table) return FailedPrecondition(path_ + ": " + table.status().message());
  auto content = std::make_shared<Content>();
  content->servers = *std::move(table);
  for (const auto& [name, endpoints] : content->servers)
    content->snapshots.emplace(name, host_.MakeSnapshot(endpoints));
  TellGone(*content_.exchange(content), *content);
  return {};
}

Result<Secret> File::ReadToken(const std::string& path) {
  const std::string full = host_.Path(path);
  token_files_.insert(full);
  auto text = ReadFile(full, kMaxToken);
  if (!text) return text.status();
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (!IsToken(*text)) return FailedPrecondition(full + " has no token: one line without blanks");
  return Secret(*std::move(text));
}

void File::TellGone(const Content& before, const Content& now) const {
  std::map<std::string, std::set<std::string>> incarnations;  // by address
  for (const auto& [name, endpoints] : now.servers) {
    for (const Endpoint& one : endpoints) incarnations[one.address].insert(one.incarnation);
  }
  for (const auto& [name, endpoints] : before.servers) {
    for (const Endpoint& one : endpoints) {
      const auto found = incarnations.find(one.address);
      if (one.incarnation.empty() || found == incarnations.end() || found->second.count(one.incarnation) > 0) continue;
      host_.EndpointGone(one.address, one.incarnation, "another server has its address");
    }
  }
}

void File::Start(Completion<Status> done) {
  watch_ = host_.WatchFile(path_, [this] { OnChange(); });
  WatchTokens();
  // They may have changed since the instance was made, and nobody watched.
  done(LoadWatched());
}

// What is named for the first time may have changed between its reading and its watch.
Status File::LoadWatched() {
  Status status = Load();
  if (WatchTokens()) {
    status = Load();
    WatchTokens();
  }
  return status;
}

void File::OnChange() {
  const Status status = LoadWatched();
  if (!status.ok()) failures_.Add();
  if (!status.ok() && !is_broken_) host_.Error(status.message() + "; the servers that were read before stay");
  if (status.ok()) host_.Info("read the servers of " + std::to_string(content_.load()->servers.size()) + " namespaces");
  is_broken_ = !status.ok();
}

bool File::WatchTokens() {
  bool has_new = false;
  std::map<std::string, FileWatch> watches;
  for (const std::string& path : token_files_) {
    auto known = token_watches_.extract(path);
    if (!known.empty()) {
      watches.insert(std::move(known));
    } else {
      watches.emplace(path, host_.WatchFile(path, [this] { OnChange(); }));
      has_new = true;
    }
  }
  token_watches_ = std::move(watches);
  return has_new;
}

DiscoveryAnswer File::Resolve(const DiscoveryCall& call) {
  const auto content = content_.load();
  if (call.route().namespace_.empty() && content->snapshots.size() == 1) return content->snapshots.begin()->second;
  const auto found = content->snapshots.find(call.route().namespace_);
  if (found == content->snapshots.end()) return Next{};
  return found->second;
}

std::string File::Describe() const {
  const auto content = content_.load();
  JsonWriter json;
  json.BeginObject().Key("namespaces").BeginArray();
  for (const auto& [name, endpoints] : content->servers) {
    json.BeginObject().Member("namespace", name).Key("endpoints").BeginArray();
    for (const Endpoint& one : endpoints) {
      json.BeginObject().Member("address", one.address).Member("incarnation", one.incarnation).EndObject();
    }
    json.EndArray().EndObject();
  }
  json.EndArray().EndObject();
  return std::move(json).Text();
}

}  // namespace sgw::plugins
