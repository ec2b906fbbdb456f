// Writes a settings struct's schema as JSON, at compile time, for the tag. See SGW_TAG_MAGIC in <sgw/abi.h>.
#pragma once

#include <sgw/detail/json_parser.h>
#include <sgw/detail/settings_types.h>
#include <sgw/values.h>

#include <string>
#include <string_view>

namespace sgw::detail {

// Everything here appends: GCC 12 cannot hand short strings around in constant expressions.
constexpr void AppendQuoted(std::string& out, std::string_view text) {
  out.push_back('"');
  AppendJsonEscaped(out, text);
  out.push_back('"');
}

constexpr void AppendDecimal(std::string& out, std::int64_t value) {
  if (value < 0) out.push_back('-');
  auto rest = value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  char digits[20]{};
  std::size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  while (count > 0) out.push_back(digits[--count]);
}

// Up to six digits after the point, which is enough for a setting's default.
constexpr void AppendDecimal(std::string& out, double value) {
  if (value < 0) out.push_back('-');
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): std::lround is no constant expression.
  auto millionths = static_cast<std::int64_t>((value < 0 ? -value : value) * 1e6 + 0.5);
  AppendDecimal(out, millionths / 1000000);
  out.push_back('.');
  millionths %= 1000000;
  std::int64_t place = 100000;
  do {
    out.push_back(static_cast<char>('0' + static_cast<int>(millionths / place)));
    millionths %= place;
    place /= 10;
  } while (millionths != 0);
}

struct Unit {
  std::int64_t size;
  std::string_view name;
};

// In the largest unit that divides it: "90s", "1500ms", "64KiB".
template <std::size_t N>
constexpr void AppendInUnits(std::string& out, std::int64_t value, const Unit (&units)[N]) {
  for (const Unit& unit : units) {
    if (value == 0 ? unit.size != units[N - 1].size : value % unit.size != 0) continue;
    AppendDecimal(out, value / unit.size);
    out.append(unit.name);
    return;
  }
}

template <typename T>
constexpr std::string_view TypeName() {
  if constexpr (std::same_as<T, bool>) {
    return "bool";
  } else if constexpr (std::integral<T>) {
    return "integer";
  } else if constexpr (std::floating_point<T>) {
    return "number";
  } else if constexpr (std::same_as<T, std::string>) {
    return "string";
  } else if constexpr (std::same_as<T, Secret>) {
    return "secret";
  } else if constexpr (std::same_as<T, Duration>) {
    return "duration";
  } else if constexpr (std::same_as<T, Bytes>) {
    return "size";
  } else if constexpr (kIsOptional<T>) {
    return TypeName<typename T::value_type>();
  } else if constexpr (kIsTable<T>) {
    return "map";
  } else if constexpr (kIsList<T>) {
    return "list";
  } else {
    static_assert(HasSchema<T>, "a setting of this type has no name; see <sgw/settings.h>");
    return "object";
  }
}

// Whether a value has a text in YAML: a secret, a struct and nothing have none.
template <typename T>
constexpr bool HasText(const T& value) {
  if constexpr (std::same_as<T, Secret>) {
    return false;
  } else if constexpr (kIsOptional<T>) {
    return value && HasText(*value);
  } else if constexpr (kIsTable<T>) {
    for (const auto& [name, each] : value) {
      if (!HasText(each)) return false;
    }
    return true;
  } else if constexpr (kIsList<T>) {
    for (const auto& each : value) {
      if (!HasText(each)) return false;
    }
    return true;
  } else {
    return !HasSchema<T>;
  }
}

// The value as it would stand in the YAML, in flow style.
template <typename T>
constexpr void AppendText(std::string& out, const T& value) {
  if constexpr (std::same_as<T, bool>) {
    out.append(value ? "true" : "false");
  } else if constexpr (std::integral<T>) {
    AppendDecimal(out, static_cast<std::int64_t>(value));
  } else if constexpr (std::floating_point<T>) {
    AppendDecimal(out, static_cast<double>(value));
  } else if constexpr (std::same_as<T, std::string>) {
    AppendQuoted(out, value);
  } else if constexpr (std::same_as<T, Duration>) {
    constexpr Unit kUnits[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    AppendInUnits(out, value.count(), kUnits);
  } else if constexpr (std::same_as<T, Bytes>) {
    constexpr Unit kUnits[] = {{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "B"}};
    AppendInUnits(out, value.value, kUnits);
  } else if constexpr (kIsOptional<T>) {
    AppendText(out, *value);
  } else if constexpr (kIsTable<T>) {
    out.push_back('{');
    for (const auto& [name, each] : value) {
      if (&name != &value.front().first) out.append(", ");
      AppendQuoted(out, name);
      out.append(": ");
      AppendText(out, each);
    }
    out.push_back('}');
  } else if constexpr (kIsList<T>) {
    out.push_back('[');
    bool is_first = true;
    for (const auto& each : value) {
      if (!is_first) out.append(", ");
      is_first = false;
      AppendText(out, each);
    }
    out.push_back(']');
  }
}

template <typename S>
constexpr void AppendMembers(std::string& out, const S& defaults);

// `"type":...` with what belongs to it.
template <typename T>
constexpr void AppendType(std::string& out) {
  if constexpr (kIsOptional<T>) {
    AppendType<typename T::value_type>(out);
  } else {
    out += "\"type\":";
    AppendQuoted(out, TypeName<T>());
    if constexpr (kIsTable<T>) {
      out += ",\"of\":{";
      AppendType<typename T::value_type::second_type>(out);
      out += "}";
    } else if constexpr (kIsList<T>) {
      out += ",\"of\":{";
      AppendType<typename T::value_type>(out);
      out += "}";
    } else if constexpr (HasSchema<T>) {
      out += ",\"settings\":[";
      AppendMembers(out, T{});
      out += "]";
    }
  }
}

template <typename S>
constexpr void AppendMembers(std::string& out, const S& defaults) {
  const auto append = [&](const auto& each) {
    const auto& value = defaults.*each.member;
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (requires { each.name; }) {
      if (out.back() == '}') out.push_back(',');
      out += "{\"name\":";
      AppendQuoted(out, each.name);
      out.push_back(',');
      AppendType<T>(out);
      out += each.is_required ? ",\"required\":true" : ",\"required\":false";
      if (!each.is_required && HasText(value)) {
        std::string text;
        AppendText(text, value);
        out += ",\"default\":";
        AppendQuoted(out, text);
      }
      out += ",\"doc\":";
      AppendQuoted(out, each.doc);
      out.push_back('}');
    } else {
      AppendMembers(out, value);
    }
  };
  std::apply([&](const auto&... each) { (append(each), ...); }, SchemaOf<S>());
}

}  // namespace sgw::detail
