#include "core/config/load.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "core/config/address.h"
#include "core/config/files.h"
#include "core/config/order.h"
#include "core/config/reader.h"
#include "core/config/sections.h"
#include "core/config/units.h"
#include "core/config/yaml.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxEntries = 1000;  // of a list or map of the root

// An entry for each, until there are too many of them.
bool IsTooMany(std::size_t count, Place place, const std::string& where, Complaints& complaints) {
  if (count <= kMaxEntries) return false;
  complaints.Error(
      place, where + " has " + std::to_string(count) + " entries; " + std::to_string(kMaxEntries) + " are the most");
  return true;
}

// Whether only one of two sockets can have its address.
bool Overlap(const std::string& one, const std::string& other) {
  std::string ignored;
  const auto a = ParseAddress(one, ignored);
  const auto b = ParseAddress(other, ignored);
  if (!a || !b) return false;
  if (a->is_unix() || b->is_unix()) {
    const auto plain = [](const Address& address) { return std::filesystem::path(address.path).lexically_normal(); };
    return plain(*a) == plain(*b);
  }
  if (a->port != b->port || a->port == 0) return false;  // 0: the kernel finds one for each
  // [::] is every address of both families.
  const auto covers = [](const Address& any, const Address& single) {
    return any.is_any() && (any.is_ipv6() || !single.is_ipv6());
  };
  return a->host == b->host || covers(*a, *b) || covers(*b, *a);
}

void ReadListener(const Value& value, const std::string& where, Config& config, Complaints& complaints) {
  ListenerConfig listener;
  listener.place = value.place;
  {
    MapReader reader(value, where, config.directory, complaints);
    VisitListener(listener, reader);
  }
  const Value* tls = value.Find("tls");
  if (tls && (!tls->Find("certificate") || !tls->Find("key"))) {
    complaints.Error(tls->place, where + ".tls needs 'certificate' and 'key', both PEM files");
  }
  const Value* client = tls ? tls->Find("client") : nullptr;
  if (client && !client->Find("ca")) {
    complaints.Error(client->place,
                     where + ".tls.client needs 'ca', a PEM file with the authorities of its certificates");
  }
  if (listener.has_tls() && listener.min_version.empty()) listener.min_version = "1.2";
  if (listener.asks_for_certificates() && listener.client_mode.empty()) listener.client_mode = "required";
  if (!value.is_broken && value.kind == Value::Kind::kMap && !value.Find("address")) {
    complaints.Error(value.place, where + " needs 'address', for example 127.0.0.1:15002");
  }
  const bool has_name = !listener.name.empty();
  if (!has_name) listener.name = listener.address;
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const ListenerConfig& other = config.listeners[i];
    const std::string theirs = "listeners[" + std::to_string(i) + "]";
    if (has_name && other.name == listener.name) {
      complaints.Error(value.place, where + ".name is that of " + theirs + ", too; records could not tell them apart");
    }
    if (Overlap(listener.address, other.address))
      complaints.Error(value.place, where + ".address is that of " + theirs + ", too");
  }
  config.listeners.push_back(std::move(listener));
}

void ReadListeners(const Value& list, Config& config, Complaints& complaints) {
  if (list.kind != Value::Kind::kList || list.list.empty()) {
    if (list.is_broken) return;
    return complaints.Error(list.place,
                            "listeners must be a list with at least one entry such as "
                            "`- address: 127.0.0.1:15002`, not " +
                                list.Shown());
  }
  if (IsTooMany(list.list.size(), list.place, "listeners", complaints)) return;
  for (std::size_t i = 0; i < list.list.size(); ++i)
    ReadListener(list.list[i], "listeners[" + std::to_string(i) + "]", config, complaints);
}

// Names stand in logs, metrics and leases.
bool IsPluginName(const std::string& name) {
  const auto is_fine = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), is_fine);
}

void ReadPlugin(const Value::Member& member, Config& config, Complaints& complaints) {
  const std::string where = "plugins." + member.key;
  PluginConfig plugin;
  plugin.name = member.key;
  plugin.place = member.place;
  if (!IsPluginName(member.key)) {
    complaints.Error(member.place,
                     where + ": a plugin's name has letters, digits, '-', '_' and '.', and at most 64 of them");
  } else if (const PluginConfig* other = config.FindPlugin(member.key)) {
    complaints.Error(member.place, where + " is the same name as '" + other->name + "': '-' and '_' are alike");
  }
  if (member.value.kind != Value::Kind::kMap && !member.value.is_broken) {
    complaints.Error(member.value.place, where + " must be a map with 'use', not " + member.value.Shown());
  }
  plugin.settings = member.value;
  plugin.settings.place = member.place;
  plugin.settings.map.clear();
  const Value* use = nullptr;
  for (const auto& setting : member.value.map) {
    if (setting.key == "use") {
      use = &setting.value;
    } else if (setting.key == "host") {
      // Reserved: what the host is to do for this instance. There is nothing to set yet.
      const MapReader reader(setting.value, where + ".host", config.directory, complaints);
    } else {
      plugin.settings.map.push_back(setting);
    }
  }
  const bool is_written = use && use->kind == Value::Kind::kScalar && !use->is_secret && !use->text.empty();
  if (is_written) {
    plugin.use = use->text.find('/') == std::string::npos ? use->text : Absolute(use->text, config.directory);
  } else if (member.value.kind == Value::Kind::kMap && !(use && use->is_broken)) {
    complaints.Error(use ? use->place : member.place,
                     where + " needs 'use', the name or path of a plugin library, written out");
  }
  config.plugins.push_back(std::move(plugin));
}

void ReadPlugins(const Value& map, Config& config, Complaints& complaints) {
  if (map.kind != Value::Kind::kMap) {
    if (map.is_broken) return;
    return complaints.Error(map.place,
                            "plugins must be a map of names, each with `{use: library, ...}`, not " + map.Shown());
  }
  if (IsTooMany(map.map.size(), map.place, "plugins", complaints)) return;
  for (const auto& member : map.map) ReadPlugin(member, config, complaints);
}

void CheckUpstreamTls(const Value& tls, Complaints& complaints) {
  if (!tls.Find("ca"))
    complaints.Error(tls.place, "upstream.tls needs 'ca', a PEM file with the authorities of servers");
  if ((tls.Find("certificate") == nullptr) != (tls.Find("key") == nullptr)) {
    complaints.Error(tls.place, "upstream.tls needs both 'certificate' and 'key', or neither");
  }
}

void CollectVariables(const Value& value, std::vector<std::string>& variables) {
  variables.insert(variables.end(), value.variables.begin(), value.variables.end());
  for (const Value& one : value.list) CollectVariables(one, variables);
  for (const auto& member : value.map) CollectVariables(member.value, variables);
}

// The admin API asks nobody who he is.
void CheckAdmin(const Config& config, Complaints& complaints) {
  std::string ignored;
  const auto address = ParseAddress(config.admin.address, ignored);
  if (!address || address->is_unix() || IsLoopback(address->host)) return;
  complaints.Error(config.PlaceOf("admin.address"),
                   "admin.address: whoever reaches " + config.admin.address +
                       " could end sessions and read the configuration; write unix:/path or 127.0.0.1:port");
}

// No listener has an address of the admin's, and these are two.
void CheckSockets(const Config& config, Complaints& complaints) {
  const std::pair<const char*, const std::string*> own[] = {{"admin.address", &config.admin.address},
                                                            {"admin.http", &config.admin.http}};
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const ListenerConfig& listener = config.listeners[i];
    for (const auto& [key, address] : own) {
      if (Overlap(listener.address, *address))
        complaints.Error(listener.place, "listeners[" + std::to_string(i) + "].address is that of " + key + ", too");
    }
  }
  if (Overlap(config.admin.address, config.admin.http))
    complaints.Error(config.PlaceOf("admin.address"), "admin.address is that of admin.http, too");
}

// What is allowed and yet hardly meant.
void Doubt(const Config& config, Complaints& complaints) {
  // Of two keys that do not fit, one is written.
  const auto place = [&config](const char* one, const char* other) {
    const Place found = config.PlaceOf(one);
    return found.line > 0 ? found : config.PlaceOf(other);
  };
  const LimitsConfig& limits = config.limits;
  if (limits.connection_buffer_bytes > limits.buffer_bytes) {
    complaints.Warning(place("limits.connection_buffer_bytes", "limits.buffer_bytes"),
                       "limits.connection_buffer_bytes (" + FormatSize(limits.connection_buffer_bytes) +
                           ") is more than limits.buffer_bytes (" + FormatSize(limits.buffer_bytes) + ") for all");
  }
  if (config.sessions.idle_timeout > config.sessions.max_age) {
    complaints.Warning(place("sessions.idle_timeout", "sessions.max_age"),
                       "sessions.idle_timeout (" + FormatDuration(config.sessions.idle_timeout) +
                           ") is more than sessions.max_age (" + FormatDuration(config.sessions.max_age) + ")");
  }
}

std::optional<std::string> ReadText(const std::string& path, Complaints& complaints) {
  std::string problem = "a configuration has at most 1 MiB, and this is more";
  auto text = ReadSmallFile(path, kMaxConfigBytes, problem);
  if (!text) complaints.Error({}, "cannot read the file: " + problem);
  return text;
}

std::string FolderOf(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::absolute(path, ignored).parent_path().string();
}

}  // namespace

const PluginConfig* Config::FindPlugin(std::string_view name) const {
  const std::string spelled = Spelled(name);
  for (const PluginConfig& plugin : plugins) {
    if (Spelled(plugin.name) == spelled) return &plugin;
  }
  return nullptr;
}

Place Config::PlaceOf(const std::string& key) const {
  const auto found = places.find(key);
  return found == places.end() ? Place() : found->second;
}

Config ReadConfigText(const std::string& text, const std::string& directory, Complaints& complaints) {
  Config config;
  config.file = complaints.file();
  config.directory = directory;
  const auto root = ParseYaml(text, directory, complaints);
  if (!root) return config;
  if (root->kind == Value::Kind::kNull) {
    if (!root->is_broken) complaints.Error({1, 1}, "the file is empty; it needs 'listeners', 'plugins' and 'pipeline'");
    return config;
  }
  MapReader reader(*root, "", directory, complaints);
  const std::pair<const char*, void (*)(const Value&, Config&, Complaints&)> parts[] = {
      {"listeners", ReadListeners}, {"plugins", ReadPlugins}, {"pipeline", ReadPipeline}};
  for (const auto& [name, read] : parts) {
    if (const Value* value = reader.Get(name))
      read(*value, config, complaints);
    else if (root->kind == Value::Kind::kMap)
      complaints.Error(root->place, "the configuration needs '" + std::string(name) + "'");
  }
  reader.Texts("plugin_directories", config.plugin_directories);
  for (std::string& one : config.plugin_directories) one = Absolute(one, directory);
  VisitSections(config, reader);
  const Value* const upstream = root->Find("upstream");
  if (const Value* const tls = upstream ? upstream->Find("tls") : nullptr) CheckUpstreamTls(*tls, complaints);
  CollectVariables(*root, config.secret_variables);
  for (const auto& section : root->map) {
    config.places[section.key] = section.value.place;
    for (const auto& key : section.value.map) config.places[section.key + "." + key.key] = key.value.place;
  }
  CheckAdmin(config, complaints);
  CheckSockets(config, complaints);
  Doubt(config, complaints);
  return config;
}

Config ReadConfig(const std::string& path, Complaints& complaints) {
  const auto text = ReadText(path, complaints);
  if (!text) return {};
  return ReadConfigText(*text, FolderOf(path), complaints);
}

std::optional<std::string> ReadAdminAddress(const std::string& path, Complaints& complaints) {
  const auto text = ReadText(path, complaints);
  if (!text) return std::nullopt;
  const std::string directory = FolderOf(path);
  Complaints others(path);
  const auto root = ParseYaml(*text, directory, others);
  if (!root) {
    complaints = others;
    return std::nullopt;
  }
  AdminConfig admin;
  if (const Value* section = root->Find("admin")) {
    MapReader reader(*section, "admin", directory, complaints);
    reader.Address("address", admin.address);
    reader.Get("http");
  }
  return complaints.has_errors() ? std::nullopt : std::optional(admin.address);
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
