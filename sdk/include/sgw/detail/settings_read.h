// Reads settings from the JSON that the host gives at create.
#pragma once

#include <sgw/detail/settings_types.h>
#include <sgw/json.h>
#include <sgw/values.h>

#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sgw::detail {

inline Status WrongType(const std::string& path, std::string_view wanted) {
  return InvalidArgument((path.empty() ? std::string("the settings") : path) + ": expected " + std::string(wanted));
}

template <typename T>
Status ReadSetting(const Json& json, const std::string& path, T& out);

inline std::string JoinPath(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

// Fills the members that `json` has; `known` collects the names that the struct has.
template <typename T>
Status ReadMembers(const Json& json, const std::string& path, T& out, std::vector<std::string_view>& known) {
  Status status;
  const auto read_one = [&]<typename S, typename M>(const SettingOf<S, M>& setting) {
    if (!status.ok()) return;
    known.push_back(setting.name);
    const Json* value = nullptr;
    for (const auto& [name, member] : json.members()) {
      if (name == setting.name && !member.is_null()) value = &member;
    }
    if (value) {
      status = ReadSetting(*value, JoinPath(path, setting.name), out.*setting.member);
    } else if (setting.is_required) {
      status = InvalidArgument(JoinPath(path, setting.name) + ": is required");
    }
  };
  const auto read_inlined = [&]<typename S, typename M>(const InlinedOf<S, M>& inlined) {
    if (status.ok()) status = ReadMembers(json, path, out.*inlined.member, known);
  };
  const auto read = [&](const auto& each) {
    if constexpr (requires { each.name; }) {
      read_one(each);
    } else {
      read_inlined(each);
    }
  };
  std::apply([&](const auto&... each) { (read(each), ...); }, SchemaOf<T>());
  if constexpr (requires {
                  { out.Validate() } -> std::same_as<Status>;
                }) {
    if (status.ok()) {
      status = out.Validate();
      if (!status.ok() && !path.empty()) status = Status(status.code(), path + ": " + status.message());
    }
  }
  return status;
}

template <typename T>
Status ReadStruct(const Json& json, const std::string& path, T& out) {
  if (json.kind() != Json::Kind::kObject) return WrongType(path, "a map of settings");
  std::vector<std::string_view> known;
  Status status = ReadMembers(json, path, out, known);
  if (!status.ok()) return status;
  for (const auto& [name, value] : json.members()) {
    bool is_known = false;
    for (const std::string_view each : known) is_known = is_known || each == name;
    if (!is_known) return InvalidArgument(JoinPath(path, name) + ": there is no such setting");
  }
  return {};
}

template <typename T>
Status ReadSetting(const Json& json, const std::string& path, T& out) {
  if constexpr (std::same_as<T, bool>) {
    if (!json.as_bool()) return WrongType(path, "true or false");
    out = *json.as_bool();
  } else if constexpr (std::integral<T>) {
    const auto value = json.as_integer();
    if (!value || !std::in_range<T>(*value)) return WrongType(path, "an integer in range");
    out = static_cast<T>(*value);
  } else if constexpr (std::floating_point<T>) {
    if (!json.as_number()) return WrongType(path, "a number");
    out = static_cast<T>(*json.as_number());
  } else if constexpr (std::same_as<T, std::string>) {
    if (!json.as_string()) return WrongType(path, "a text");
    out = *json.as_string();
  } else if constexpr (std::same_as<T, Secret>) {
    if (!json.as_string()) return WrongType(path, "a text");
    out = Secret(*json.as_string());
  } else if constexpr (std::same_as<T, Duration>) {
    if (!json.as_integer()) return WrongType(path, "a duration in milliseconds");
    out = Duration(*json.as_integer());
  } else if constexpr (std::same_as<T, Bytes>) {
    if (!json.as_integer()) return WrongType(path, "a size in bytes");
    out = Bytes{*json.as_integer()};
  } else if constexpr (kIsOptional<T>) {
    return ReadSetting(json, path, out.emplace());
  } else if constexpr (kIsTable<T>) {
    if (json.kind() != Json::Kind::kObject) return WrongType(path, "a map");
    out.clear();
    for (const auto& [name, value] : json.members()) {
      Status status = ReadSetting(value, JoinPath(path, name),
                                  out.emplace_back(name, typename T::value_type::second_type()).second);
      if (!status.ok()) return status;
    }
  } else if constexpr (kIsList<T>) {
    if (json.kind() != Json::Kind::kArray) return WrongType(path, "a list");
    out.clear();
    for (const Json& element : json.elements()) {
      typename T::value_type value{};
      Status status = ReadSetting(element, path + "[" + std::to_string(out.size()) + "]", value);
      if (!status.ok()) return status;
      out.push_back(std::move(value));
    }
  } else {
    static_assert(HasSchema<T>, "a setting of this type cannot be read; see <sgw/settings.h>");
    return ReadStruct(json, path, out);
  }
  return {};
}

// The settings struct from the host's text.
template <typename S>
Result<S> ReadSettings(std::string_view text) {
  const Result<Json> json = Json::Parse(text.empty() ? std::string_view("{}") : text);
  if (!json) return json.status();
  S settings;
  Status status = ReadStruct(*json, "", settings);
  if (!status.ok()) return status;
  return settings;
}

}  // namespace sgw::detail
