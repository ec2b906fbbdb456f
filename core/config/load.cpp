#include "core/config/load.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/config/order.h"
#include "core/config/reader.h"
#include "core/config/yaml.h"

namespace sgw::core {
namespace {

const Value kNothing;
const Value& OrNothing(const Value* value) { return value ? *value : kNothing; }

std::string Absolute(const std::string& path, const std::string& directory) {
  if (path.empty() || path.front() == '/' || directory.empty()) return path;
  return directory + "/" + path;
}

std::string AbsoluteAddress(const std::string& address, const std::string& directory) {
  return address.rfind("unix:", 0) == 0 ? "unix:" + Absolute(address.substr(5), directory) : address;
}

// A path that is not there yet names a secret's file or a socket: only the form can be wrong.
void CheckAddress(const std::string& address, Place place, const std::string& where, Complaints& complaints) {
  if (address.rfind("unix:", 0) == 0 && address.size() > 5) return;
  const auto colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool is_number = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (is_number && std::stoi(port) <= 65535) return;
  complaints.Error(place, where + " must be host:port, [address]:port or unix:/path, not '" + address + "'");
}

void ReadListeners(const Value& list, Config& config, Complaints& complaints) {
  if (list.kind != Value::Kind::kList || list.list.empty()) {
    return complaints.Error(list.place,
                            "listeners must be a list with at least one entry such as `- address: 127.0.0.1:15002`");
  }
  for (std::size_t i = 0; i < list.list.size(); ++i) {
    const std::string where = "listeners[" + std::to_string(i) + "]";
    ListenerConfig listener;
    listener.place = list.list[i].place;
    MapReader reader(list.list[i], where, complaints);
    reader.Name("address", listener.address);
    reader.Name("name", listener.name);
    reader.Bool("open", listener.is_open);
    if (const Value* tls = reader.Get("tls")) {
      MapReader tls_reader(*tls, where + ".tls", complaints);
      tls_reader.Text("certificate", listener.certificate);
      tls_reader.Text("key", listener.key);
      if (listener.certificate.empty() || listener.key.empty()) {
        complaints.Error(tls->place, where + ".tls needs 'certificate' and 'key', both PEM files");
      }
    }
    if (listener.address.empty()) {
      complaints.Error(listener.place, where + " needs 'address', for example 127.0.0.1:15002");
    } else {
      CheckAddress(listener.address, listener.place, where + ".address", complaints);
    }
    listener.address = AbsoluteAddress(listener.address, config.directory);
    listener.certificate = Absolute(listener.certificate, config.directory);
    listener.key = Absolute(listener.key, config.directory);
    if (listener.name.empty()) listener.name = listener.address;
    config.listeners.push_back(std::move(listener));
  }
}

void ReadPlugins(const Value& map, Config& config, Complaints& complaints) {
  if (map.kind != Value::Kind::kMap) {
    return complaints.Error(map.place, "plugins must be a map of names, each with `{use: library, ...}`");
  }
  for (const auto& member : map.map) {
    PluginConfig plugin;
    plugin.name = member.key;
    plugin.place = member.place;
    const std::string where = "plugins." + member.key;
    if (member.value.kind != Value::Kind::kMap) {
      complaints.Error(member.value.place, where + " must be a map with 'use', not " + member.value.Shown());
      continue;
    }
    plugin.settings.kind = Value::Kind::kMap;
    plugin.settings.place = member.place;
    for (const auto& setting : member.value.map) {
      if (setting.key == "use") {
        if (setting.value.is_secret)
          complaints.Error(setting.value.place, where + ".use must be written out");
        else
          plugin.use = setting.value.text;
      } else if (setting.key == "host") {
        // Reserved: what the host is to do for this instance. There is nothing to set yet.
        MapReader reader(setting.value, where + ".host", complaints);
      } else {
        plugin.settings.map.push_back(setting);
      }
    }
    if (plugin.use.empty())
      complaints.Error(member.place, where + " needs 'use', the name or path of a plugin library");
    if (plugin.use.find('/') != std::string::npos) plugin.use = Absolute(plugin.use, config.directory);
    config.plugins.push_back(std::move(plugin));
  }
}

void ReadSections(MapReader& root, Config& config, Complaints& complaints) {
  {
    MapReader reader(OrNothing(root.Get("sessions")), "sessions", complaints);
    SessionsConfig& sessions = config.sessions;
    reader.Duration("idle_timeout", sessions.idle_timeout);
    reader.Duration("max_age", sessions.max_age);
    reader.Duration("lost_after", sessions.lost_after);
    reader.Duration("recheck", sessions.recheck);
    reader.Duration("unclaimed_after", sessions.unclaimed_after);
    reader.Text("state", sessions.state);
    sessions.state = Absolute(sessions.state, config.directory);
    int share = static_cast<int>(sessions.share) - 1;
    reader.Choice("share", {"session", "user", "team"}, share);
    sessions.share = static_cast<Share>(share + 1);
  }
  {
    MapReader reader(OrNothing(root.Get("limits")), "limits", complaints);
    LimitsConfig& limits = config.limits;
    reader.Count("connections", limits.connections);
    reader.Count("streams_per_connection", limits.streams_per_connection);
    reader.Size("header_bytes", limits.header_bytes);
    reader.Count("header_count", limits.header_count);
    reader.Size("buffer_bytes", limits.buffer_bytes);
    reader.Size("connection_buffer_bytes", limits.connection_buffer_bytes);
    reader.Count("waiting_callers", limits.waiting_callers);
    reader.Count("sessions", limits.sessions);
    reader.Duration("handshake_timeout", limits.handshake_timeout);
    reader.Duration("idle_timeout", limits.idle_timeout);
    reader.Duration("ping_interval", limits.ping_interval);
  }
  {
    MapReader reader(OrNothing(root.Get("upstream")), "upstream", complaints);
    reader.Duration("connect_timeout", config.upstream.connect_timeout);
    reader.Duration("idle_timeout", config.upstream.idle_timeout);
  }
  {
    MapReader reader(OrNothing(root.Get("drain")), "drain", complaints);
    reader.Duration("delay", config.drain.delay);
    reader.Duration("timeout", config.drain.timeout);
  }
  {
    const Value& admin = OrNothing(root.Get("admin"));
    MapReader reader(admin, "admin", complaints);
    reader.Name("address", config.admin.address);
    reader.Name("http", config.admin.http);
    CheckAddress(config.admin.address, admin.place, "admin.address", complaints);
    if (!config.admin.http.empty()) CheckAddress(config.admin.http, admin.place, "admin.http", complaints);
    config.admin.address = AbsoluteAddress(config.admin.address, config.directory);
  }
  {
    MapReader reader(OrNothing(root.Get("log")), "log", complaints);
    const std::vector<std::string> levels = {"debug", "info", "warning", "error"};
    int level = 1;
    reader.Choice("level", levels, level);
    config.log.level = levels[static_cast<std::size_t>(level)];
    int format = 0;
    reader.Choice("format", {"text", "json"}, format);
    config.log.is_json = format == 1;
  }
}

}  // namespace

const PluginConfig* Config::FindPlugin(std::string_view name) const {
  for (const PluginConfig& plugin : plugins) {
    if (plugin.name == name) return &plugin;
  }
  return nullptr;
}

std::optional<Config> ParseConfig(const std::string& text, const std::string& directory, Complaints& complaints) {
  const auto root = ParseYaml(text, complaints);
  if (!root) return std::nullopt;
  if (root->kind == Value::Kind::kNull) {
    complaints.Error({1, 1}, "the file is empty; configs/README.md shows what belongs in it");
    return std::nullopt;
  }
  Config config;
  config.file = complaints.file();
  config.directory = directory;
  {
    MapReader reader(*root, "", complaints);
    const Value* listeners = reader.Get("listeners");
    const Value* plugins = reader.Get("plugins");
    const Value* pipeline = reader.Get("pipeline");
    reader.Texts("plugin_directories", config.plugin_directories);
    reader.Count("workers", config.workers, 0);
    for (std::string& one : config.plugin_directories) one = Absolute(one, directory);
    ReadSections(reader, config, complaints);
    for (const auto& [value, name] :
         {std::pair(listeners, "listeners"), {plugins, "plugins"}, {pipeline, "pipeline"}}) {
      if (!value && root->kind == Value::Kind::kMap) {
        complaints.Error(root->place, "the configuration needs '" + std::string(name) + "'");
      }
    }
    if (listeners) ReadListeners(*listeners, config, complaints);
    if (plugins) ReadPlugins(*plugins, config, complaints);
    if (pipeline) ReadPipeline(*pipeline, config, complaints);
  }
  if (complaints.has_errors()) return std::nullopt;
  return config;
}

std::optional<Config> LoadConfig(const std::string& path, Complaints& complaints) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) {
    complaints.Error({}, "cannot read the file: " + error.message());
    return std::nullopt;
  }
  if (size > kMaxConfigBytes) {
    complaints.Error({}, "the file has " + std::to_string(size) + " bytes; a configuration has at most 1 MiB");
    return std::nullopt;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  if (!file) {
    complaints.Error({}, "cannot read the file");
    return std::nullopt;
  }
  const auto absolute = std::filesystem::absolute(path, error);
  return ParseConfig(content.str(), absolute.parent_path().string(), complaints);
}

std::string ConfigTextFor(const std::string& driver_address) {
  return "listeners: [{address: \"127.0.0.1:15002\"}]\n"
         "plugins:\n"
         "  anyone: {use: auth_anonymous, default_subject: anonymous}\n"
         "  driver: {use: discovery_static, namespaces: {default: [\"" +
         driver_address +
         "\"]}}\n"
         "  meters: {use: metrics_prometheus}\n"
         "pipeline:\n"
         "  - auth: anyone\n"
         "  - discovery: driver\n"
         "  - metrics: meters\n"
         "admin: {address: \"unix:spark-gateway-admin.sock\"}\n"
         "drain: {timeout: 5s}\n";
}

}  // namespace sgw::core
