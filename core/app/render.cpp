#include <sgw/json.h>

#include "core/app/gateway.h"
#include "core/config/units.h"

namespace sgw::core {
namespace {

constexpr const char* kShares[] = {"", "session", "user", "team"};

void Durations(JsonWriter& json, std::initializer_list<std::pair<const char*, milliseconds>> list) {
  for (const auto& [name, value] : list) json.Member(name, FormatDuration(value));
}

}  // namespace

const char* Version() { return SGW_VERSION; }

std::string RenderConfig(const Config& config, const InspectedPlugins& plugins) {
  JsonWriter json;
  json.BeginObject().Key("listeners").BeginArray();
  for (const ListenerConfig& listener : config.listeners) {
    json.BeginObject()
        .Member("name", listener.name)
        .Member("address", listener.address)
        .Member("open", listener.is_open);
    if (listener.has_tls()) {
      json.Key("tls").BeginObject().Member("certificate", listener.certificate).Member("key", listener.key).EndObject();
    }
    json.EndObject();
  }
  json.EndArray().Key("plugin_directories").BeginArray();
  for (const std::string& directory : config.plugin_directories) json.Value(directory);
  json.EndArray().Key("plugins").BeginObject();
  for (const PluginConfig& plugin : config.plugins) {
    json.Key(plugin.name).BeginObject().Member("use", plugin.use);
    const auto found = plugins.find(plugin.name);
    if (found != plugins.end()) {
      const auto written = Json::Parse(found->second.settings.masked);
      json.Key("settings").Raw(found->second.settings.masked).Key("defaults").BeginObject();
      for (const SettingSchema& one : found->second.library->tag().settings) {
        if (one.has_default && written && !written->At("/" + one.name)) json.Member(one.name, one.default_text);
      }
      json.EndObject();
    }
    json.EndObject();
  }
  json.EndObject().Key("pipeline").BeginArray();
  for (const StepConfig& step : config.pipeline) {
    json.BeginObject().Key(KindName(step.kind)).BeginArray();
    for (const std::string& name : step.instances) json.Value(name);
    json.EndArray();
    if (step.create) json.Member("create", true);
    Durations(json, {{"hold", step.hold}, {"give_up", step.give_up}});
    json.EndObject();
  }
  json.EndArray().Key("sessions").BeginObject();
  const SessionsConfig& sessions = config.sessions;
  Durations(json, {{"idle_timeout", sessions.idle_timeout},
                   {"max_age", sessions.max_age},
                   {"lost_after", sessions.lost_after},
                   {"recheck", sessions.recheck},
                   {"unclaimed_after", sessions.unclaimed_after}});
  json.Member("share", kShares[static_cast<std::size_t>(sessions.share)]).Member("state", sessions.state).EndObject();
  const LimitsConfig& limits = config.limits;
  json.Key("limits").BeginObject();
  json.Member("connections", limits.connections).Member("streams_per_connection", limits.streams_per_connection);
  json.Member("header_bytes", FormatSize(limits.header_bytes)).Member("header_count", limits.header_count);
  json.Member("buffer_bytes", FormatSize(limits.buffer_bytes));
  json.Member("connection_buffer_bytes", FormatSize(limits.connection_buffer_bytes));
  json.Member("waiting_callers", limits.waiting_callers).Member("sessions", limits.sessions);
  Durations(json, {{"handshake_timeout", limits.handshake_timeout},
                   {"idle_timeout", limits.idle_timeout},
                   {"ping_interval", limits.ping_interval}});
  json.EndObject().Key("upstream").BeginObject();
  Durations(json,
            {{"connect_timeout", config.upstream.connect_timeout}, {"idle_timeout", config.upstream.idle_timeout}});
  json.EndObject().Key("drain").BeginObject();
  Durations(json, {{"delay", config.drain.delay}, {"timeout", config.drain.timeout}});
  json.EndObject().Key("admin").BeginObject();
  json.Member("address", config.admin.address).Member("http", config.admin.http).EndObject();
  json.Key("log")
      .BeginObject()
      .Member("level", config.log.level)
      .Member("format", config.log.is_json ? "json" : "text");
  json.EndObject().Member("workers", config.workers).EndObject();
  return std::move(json).Text();
}

}  // namespace sgw::core
