#include "core/config/schema.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "core/config/units.h"
#include "core/config/yaml.h"

namespace sgw::core {
namespace {

using Type = SettingSchema::Type;

constexpr std::pair<std::string_view, Type> kTypes[] = {
    {"bool", Type::kBool},     {"integer", Type::kInteger},   {"number", Type::kNumber}, {"string", Type::kString},
    {"secret", Type::kSecret}, {"duration", Type::kDuration}, {"size", Type::kSize},     {"list", Type::kList},
    {"map", Type::kMap},       {"object", Type::kObject}};

Result<SettingSchema> ReadOne(const Json& json) {
  SettingSchema schema;
  schema.name = json.String("/name");
  schema.is_required = json.Bool("/required");
  schema.doc = json.String("/doc");
  if (const Json* text = json.At("/default"); text && text->as_string()) {
    schema.has_default = true;
    schema.default_text = *text->as_string();
  }
  const std::string type = json.String("/type");
  bool is_known = false;
  for (const auto& [name, value] : kTypes) {
    if (name != type) continue;
    schema.type = value;
    is_known = true;
  }
  if (!is_known) return InvalidArgument("setting '" + schema.name + "' has the unknown type '" + type + "'");
  if (schema.type == Type::kList || schema.type == Type::kMap) {
    const Json* of = json.At("/of");
    if (!of) return InvalidArgument("setting '" + schema.name + "' does not say what it is a " + type + " of");
    auto element = ReadOne(*of);
    if (!element) return element.status();
    schema.nested.push_back(*std::move(element));
  } else if (schema.type == Type::kObject) {
    const Json* settings = json.At("/settings");
    if (!settings) return InvalidArgument("setting '" + schema.name + "' does not say what is in it");
    auto nested = ReadSchema(*settings);
    if (!nested) return nested.status();
    schema.nested = *std::move(nested);
  }
  return schema;
}

// What may be shown of a scalar.
Value Masked(const Value& value, bool is_text) {
  if (value.is_secret) return Value::String(value.reference.empty() ? "<secret>" : value.reference);
  return is_text ? Value::String(value.text) : Value::Plain(value.text);
}

template <typename T>
std::optional<T> Number(const std::string& text) {
  T number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(number)) return std::nullopt;
  }
  return number;
}

// Writes the plugin's JSON and gives what is to be shown, value by value.
class Checker {
 public:
  explicit Checker(Complaints& complaints) : complaints_(complaints) {}

  Value Object(const Value& value, const std::vector<SettingSchema>& schema, const std::string& where) {
    Value effective = Value::Map();
    json.BeginObject();
    CheckNames(value, schema, where);
    for (const auto& one : schema) {
      const Value* found = value.Find(one.name);
      if (found && !(found->kind == Value::Kind::kNull && one.has_default)) {
        json.Key(one.name);
        effective.Add(one.name, One(*found, one, where + "." + one.name));
      } else if (one.has_default) {
        effective.Add(one.name, DefaultOf(one));
      } else if (one.is_required && !value.is_broken) {
        complaints_.Error(value.place, where + " needs '" + one.name + "': " + one.doc);
      }
    }
    json.EndObject();
    return effective;
  }

  JsonWriter json;
  std::vector<std::string> secrets;  // that are written out

 private:
  void CheckNames(const Value& value, const std::vector<SettingSchema>& schema, const std::string& where) {
    std::vector<std::string> names;
    for (const auto& one : schema) names.push_back(one.name);
    for (const auto& member : value.map) {
      if (complaints_.is_full()) return;
      if (std::find(names.begin(), names.end(), member.key) != names.end()) continue;
      complaints_.Error(member.place, where + " has no setting '" + member.key + "'" + DidYouMean(member.key, names));
    }
  }

  // A default's text is YAML, written by the SDK from the plugin's own value.
  static Value DefaultOf(const SettingSchema& schema) {
    Complaints none("");
    return ParseYaml(schema.default_text, "", none).value_or(Value());
  }

  Value Wrong(const Value& value, const std::string& where, std::string_view wanted) {
    if (!value.is_broken)
      complaints_.Error(value.place, where + " must be " + std::string(wanted) + ", not " + value.Shown());
    json.Null();
    return {};
  }

  template <typename T>
  Value Scalar(const Value& value, const std::optional<T>& parsed, const std::string& where, std::string_view wanted) {
    if (value.kind != Value::Kind::kScalar || value.is_broken || !parsed) return Wrong(value, where, wanted);
    json.Value(*parsed);
    return Masked(value, std::is_same_v<T, std::string>);
  }

  Value One(const Value& value, const SettingSchema& schema, const std::string& where) {
    const std::string& text = value.text;
    switch (schema.type) {
      case Type::kString: return Scalar(value, std::optional(text), where, "a text");
      case Type::kSecret: {
        // Secret or not where it was written, it is one.
        Value shown = Scalar(value, std::optional(text), where, "a text");
        if (!value.is_secret) secrets.push_back(text);
        return value.is_secret || shown.kind == Value::Kind::kNull ? shown : Value::String("<secret>");
      }
      case Type::kBool:
        return Scalar(value, text == "true" || text == "false" ? std::optional(text == "true") : std::nullopt, where,
                      "true or false");
      case Type::kInteger: return Scalar(value, Number<std::int64_t>(text), where, "a whole number");
      case Type::kNumber: return Scalar(value, Number<double>(text), where, "a number");
      case Type::kDuration: {
        const auto duration = ParseDuration(text);
        return Scalar(value, duration ? std::optional(std::int64_t{duration->count()}) : std::nullopt, where,
                      "a duration such as 250ms, 25s, 30m or 24h");
      }
      case Type::kSize: return Scalar(value, ParseSize(text), where, "a size such as 64KiB, 1MiB or a number of bytes");
      case Type::kList: {
        if (value.kind != Value::Kind::kList) return Wrong(value, where, "a list");
        Value list = Value::List();
        json.BeginArray();
        for (std::size_t i = 0; i < value.list.size(); ++i)
          list.list.push_back(One(value.list[i], schema.nested.front(), where + "[" + std::to_string(i) + "]"));
        json.EndArray();
        return list;
      }
      case Type::kMap: {
        if (value.kind != Value::Kind::kMap) return Wrong(value, where, "a map");
        Value map = Value::Map();
        json.BeginObject();
        for (const auto& member : value.map) {
          json.Key(member.key);
          map.Add(member.key, One(member.value, schema.nested.front(), where + "." + member.key));
        }
        json.EndObject();
        return map;
      }
      case Type::kObject:
        if (value.kind != Value::Kind::kMap) return Wrong(value, where, "a map");
        return Object(value, schema.nested, where);
    }
    return {};
  }

  Complaints& complaints_;
};

}  // namespace

Result<std::vector<SettingSchema>> ReadSchema(const Json& settings) {
  std::vector<SettingSchema> schema;
  for (const Json& one : settings.elements()) {
    auto read = ReadOne(one);
    if (!read) return read.status();
    schema.push_back(*std::move(read));
  }
  return schema;
}

namespace {

// RFC 6901.
std::string Below(const std::string& pointer, const std::string& key) {
  std::string out = pointer + "/";
  for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

void CollectSecrets(const Value& value, std::vector<std::string>& secrets) {
  secrets.insert(secrets.end(), value.secrets.begin(), value.secrets.end());
  for (const Value& one : value.list) CollectSecrets(one, secrets);
  for (const auto& member : value.map) CollectSecrets(member.value, secrets);
}

void CollectFiles(const Value& value, const std::string& pointer, std::map<std::string, std::string>& files) {
  constexpr std::string_view kFile = "${file:";
  if (value.reference.compare(0, kFile.size(), kFile) == 0)
    files[pointer] = value.reference.substr(kFile.size(), value.reference.size() - kFile.size() - 1);
  for (std::size_t i = 0; i < value.list.size(); ++i)
    CollectFiles(value.list[i], Below(pointer, std::to_string(i)), files);
  for (const auto& member : value.map) CollectFiles(member.value, Below(pointer, member.key), files);
}

}  // namespace

CheckedSettings CheckSettings(const Value& settings, const std::vector<SettingSchema>& schema, const std::string& where,
                              Complaints& complaints) {
  Checker checker(complaints);
  Value effective = checker.Object(settings, schema, where);
  CheckedSettings checked{std::move(checker.json).Text(), std::move(effective)};
  CollectFiles(settings, "", checked.secret_files);
  checked.secrets = std::move(checker.secrets);
  CollectSecrets(settings, checked.secrets);
  return checked;
}

}  // namespace sgw::core
