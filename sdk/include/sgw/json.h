// Json: reads the JSON that a service answers; JsonWriter: writes the JSON that Describe() gives.
#pragma once

#include <sgw/detail/json_parser.h>
#include <sgw/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

// One parsed JSON value (RFC 8259), read by JSON pointers (RFC 6901): `user.String("/user")`, `"/teams/0"`, `""` for
// the value itself.
//
// The parser takes only what the RFC takes, refuses invalid UTF-8 and unpaired surrogates, nests at most 64 deep and
// reads at most 16 MiB. A name that comes twice in an object is an error: two readers of the same text must never see
// two different values.
class Json {
 public:
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  using Members = std::vector<std::pair<std::string, Json>>;

  // INVALID_ARGUMENT with the place of the mistake.
  static Result<Json> Parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }

  // The value at the pointer; null when there is none.
  const Json* At(std::string_view pointer) const;

  // The value at the pointer, or `otherwise` when there is none or it has another kind.
  std::string String(std::string_view pointer, std::string_view otherwise = {}) const;
  bool Bool(std::string_view pointer, bool otherwise = false) const;
  double Number(std::string_view pointer, double otherwise = 0) const;
  // A number that is an integer of 64 bits, written without fraction or exponent.
  std::int64_t Integer(std::string_view pointer, std::int64_t otherwise = 0) const;
  // The strings of an array; empty when one of its elements is no string.
  std::vector<std::string> Strings(std::string_view pointer) const;

  // The typed content; empty for another kind.
  std::optional<bool> as_bool() const { return kind_ == Kind::kBool ? std::optional(bool_) : std::nullopt; }
  std::optional<double> as_number() const;
  std::optional<std::int64_t> as_integer() const;
  const std::string* as_string() const { return kind_ == Kind::kString ? &text_ : nullptr; }
  // An array's elements, in order; empty for another kind.
  const std::vector<Json>& elements() const { return elements_; }
  // An object's members, in the order of the text; empty for another kind.
  const Members& members() const { return members_; }

 private:
  friend class detail::JsonParser;

  Kind kind_ = Kind::kNull;
  bool bool_ = false;
  std::string text_;  // of a string, or a number as it was written
  std::vector<Json> elements_;
  Members members_;
};

// Text as it stands between the quotes of a JSON string: quotes, backslashes and all control characters escaped,
// invalid UTF-8 replaced by U+FFFD.
std::string JsonEscape(std::string_view text);

// Writes JSON front to back:
//
//   JsonWriter json;
//   json.BeginObject().Member("warm", 3).Key("servers").BeginArray().Value("a").EndArray().EndObject();
//   return std::move(json).Text();
class JsonWriter {
 public:
  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view name);
  JsonWriter& Value(std::string_view text);
  JsonWriter& Value(const char* text) { return Value(std::string_view(text)); }
  JsonWriter& Value(const std::string& text) { return Value(std::string_view(text)); }
  JsonWriter& Value(bool value);
  JsonWriter& Value(double value);  // null when it is not finite
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonWriter& Value(T value) { return Plain(std::to_string(value)); }
  JsonWriter& Null() { return Plain("null"); }
  // A value that is JSON already.
  JsonWriter& Raw(std::string_view json) { return Plain(json); }
  template <typename T>
  JsonWriter& Member(std::string_view name, const T& value) {
    return Key(name).Value(value);
  }

  const std::string& Text() const& { return text_; }
  std::string Text() && { return std::move(text_); }

 private:
  JsonWriter& Plain(std::string_view json);
  void Separate();

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace sgw

#include <sgw/detail/json_impl.h>
