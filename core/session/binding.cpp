#include "core/session/binding.h"

#include <sgw/json.h>

namespace sgw::core {
namespace {

void Write(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.Key(name).BeginArray();
  for (const std::string& text : texts) json.Value(text);
  json.EndArray();
}

// An array of pairs: a name may come more than once.
void Write(JsonWriter& json, std::string_view name, const StringMap& map) {
  json.Key(name).BeginArray();
  for (const auto& [key, value] : map) json.BeginArray().Value(key).Value(value).EndArray();
  json.EndArray();
}

StringMap MapIn(const Json& json, std::string_view pointer) {
  StringMap map;
  const Json* list = json.At(pointer);
  if (!list) return map;
  for (const Json& pair : list->elements()) map.emplace_back(pair.String("/0"), pair.String("/1"));
  return map;
}

}  // namespace

std::string TextOf(const Binding& binding) {
  JsonWriter json;
  json.BeginObject().Member("id", binding.id).Member("session_id", binding.session_id);
  json.Member("realm", binding.realm);
  json.Member("subject", binding.subject).Member("user_name", binding.user_name);
  Write(json, "groups", binding.groups);
  json.Member("namespace", binding.route.namespace_).Member("team", binding.route.team);
  json.Member("environment", binding.route.environment).Member("class", binding.route.service_class);
  Write(json, "labels", binding.route.labels);
  Write(json, "attributes", binding.route.attributes);
  Write(json, "made_from", binding.route.made_from);
  Write(json, "routing_headers", binding.routing_headers);
  std::vector<std::string> limits;
  for (const Limit& limit : binding.route.policy.limits) limits.push_back(limit.name);
  if (!limits.empty()) Write(json, "limits", limits);
  json.Member("sharing_key", binding.sharing_key).Member("address", binding.address);
  json.Member("incarnation", binding.incarnation).Member("lease_id", binding.lease_id);
  if (binding.tls != Tls::kConfigured) json.Member("tls", static_cast<int>(binding.tls));
  if (!binding.server_name.empty()) json.Member("server_name", binding.server_name);
  if (binding.has_credentials) json.Member("has_credentials", true);
  json.Member("source", binding.source);
  json.Member("created_ns", std::chrono::nanoseconds(binding.created.time_since_epoch()).count());
  return std::move(json.EndObject()).Text();
}

std::string TextOf(const Tombstone& tombstone) {
  JsonWriter json;
  json.BeginObject().Member("ended", static_cast<int>(tombstone.refusal.code()));
  return std::move(json.Member("message", tombstone.refusal.message()).EndObject()).Text();
}

std::optional<std::variant<Binding, Tombstone>> ReadBinding(std::string_view text) {
  const auto parsed = Json::Parse(text);
  if (!parsed) return std::nullopt;
  const Json& json = *parsed;
  if (const std::int64_t code = json.Integer("/ended"); code > 0 && code <= 16) {
    return Tombstone{Status(static_cast<StatusCode>(code), json.String("/message"))};
  }
  Binding binding;
  binding.id = json.String("/id");
  binding.session_id = json.String("/session_id");
  binding.realm = json.String("/realm");
  binding.subject = json.String("/subject");
  binding.user_name = json.String("/user_name");
  binding.groups = json.Strings("/groups");
  binding.route.namespace_ = json.String("/namespace");
  binding.route.team = json.String("/team");
  binding.route.environment = json.String("/environment");
  binding.route.service_class = json.String("/class");
  binding.route.labels = MapIn(json, "/labels");
  binding.route.attributes = MapIn(json, "/attributes");
  binding.route.made_from = json.Strings("/made_from");
  binding.routing_headers = MapIn(json, "/routing_headers");
  for (std::string& name : json.Strings("/limits")) binding.route.policy.limits.push_back({.name = std::move(name)});
  binding.sharing_key = json.String("/sharing_key");
  binding.address = json.String("/address");
  binding.incarnation = json.String("/incarnation");
  if (const std::int64_t tls = json.Integer("/tls"); tls >= 0 && tls <= SGW_TLS_ON) binding.tls = static_cast<Tls>(tls);
  binding.server_name = json.String("/server_name");
  binding.has_credentials = json.Bool("/has_credentials");
  binding.lease_id = json.String("/lease_id");
  binding.source = json.String("/source");
  binding.created = WallTime(std::chrono::nanoseconds(json.Integer("/created_ns")));
  if (binding.session_id.empty() || binding.address.empty()) return std::nullopt;
  return binding;
}

}  // namespace sgw::core
