#include "core/config/schema.h"

#include <charconv>

#include "core/config/units.h"

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

class Checker {
 public:
  explicit Checker(Complaints& complaints) : complaints_(complaints) {}

  void Object(const Value& value, const std::vector<SettingSchema>& schema, const std::string& where) {
    json.BeginObject();
    masked.BeginObject();
    std::vector<std::string> names;
    for (const auto& one : schema) names.push_back(one.name);
    for (const auto& member : value.map) {
      const SettingSchema* found = nullptr;
      for (const auto& one : schema) {
        if (one.name == member.key) found = &one;
      }
      if (!found) {
        complaints_.Error(member.place, where + " has no setting '" + member.key + "'" + DidYouMean(member.key, names));
        continue;
      }
      if (member.value.kind == Value::Kind::kNull && found->has_default) continue;
      json.Key(member.key);
      masked.Key(member.key);
      One(member.value, *found, where + "." + member.key);
    }
    for (const auto& one : schema) {
      if (one.is_required && !value.Find(one.name)) {
        complaints_.Error(value.place, where + " needs '" + one.name + "': " + one.doc);
      }
    }
    json.EndObject();
    masked.EndObject();
  }

  JsonWriter json;
  JsonWriter masked;

 private:
  void Wrong(const Value& value, const std::string& where, std::string_view wanted) {
    complaints_.Error(value.place, where + " must be " + std::string(wanted) + ", not " + value.Shown());
    json.Null();
    masked.Null();
  }

  template <typename T>
  void Write(const Value& value, const T& parsed) {
    json.Value(parsed);
    if (value.is_secret)
      masked.Value("<secret>");
    else
      masked.Value(value.text);
  }

  void One(const Value& value, const SettingSchema& schema, const std::string& where) {
    const bool is_scalar = value.kind == Value::Kind::kScalar;
    switch (schema.type) {
      case Type::kString:
        return is_scalar ? Write(value, value.text) : Wrong(value, where, "a text");
      case Type::kSecret:
        if (!is_scalar) return Wrong(value, where, "a text");
        json.Value(value.text);
        masked.Value("<secret>");
        return;
      case Type::kBool:
        if (!is_scalar || (value.text != "true" && value.text != "false")) return Wrong(value, where, "true or false");
        return Write(value, value.text == "true");
      case Type::kInteger: {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
        if (!is_scalar || error != std::errc() || end != value.text.data() + value.text.size()) {
          return Wrong(value, where, "a whole number");
        }
        return Write(value, number);
      }
      case Type::kNumber: {
        double number = 0;
        const auto [end, error] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
        if (!is_scalar || error != std::errc() || end != value.text.data() + value.text.size()) {
          return Wrong(value, where, "a number");
        }
        return Write(value, number);
      }
      case Type::kDuration: {
        const auto duration = is_scalar ? ParseDuration(value.text) : std::nullopt;
        if (!duration) return Wrong(value, where, "a duration such as 250ms, 25s, 30m or 24h");
        return Write(value, static_cast<std::int64_t>(duration->count()));
      }
      case Type::kSize: {
        const auto size = is_scalar ? ParseSize(value.text) : std::nullopt;
        if (!size) return Wrong(value, where, "a size such as 64KiB, 1MiB or a number of bytes");
        return Write(value, *size);
      }
      case Type::kList:
        if (value.kind != Value::Kind::kList) return Wrong(value, where, "a list");
        json.BeginArray();
        masked.BeginArray();
        for (std::size_t i = 0; i < value.list.size(); ++i) {
          One(value.list[i], schema.nested.front(), where + "[" + std::to_string(i) + "]");
        }
        json.EndArray();
        masked.EndArray();
        return;
      case Type::kMap:
        if (value.kind != Value::Kind::kMap) return Wrong(value, where, "a map");
        json.BeginObject();
        masked.BeginObject();
        for (const auto& member : value.map) {
          json.Key(member.key);
          masked.Key(member.key);
          One(member.value, schema.nested.front(), where + "." + member.key);
        }
        json.EndObject();
        masked.EndObject();
        return;
      case Type::kObject:
        if (value.kind != Value::Kind::kMap) return Wrong(value, where, "a map");
        return Object(value, schema.nested, where);
    }
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

CheckedSettings CheckSettings(const Value& settings, const std::vector<SettingSchema>& schema, const std::string& where,
                              Complaints& complaints) {
  Checker checker(complaints);
  checker.Object(settings, schema, where);
  return {std::move(checker.json).Text(), std::move(checker.masked).Text()};
}

}  // namespace sgw::core
