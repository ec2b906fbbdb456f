// Value: one node of a YAML text, with its place, before anybody knows what it means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw::core {

// Where something stands in a file; both count from 1.
struct Place {
  int line = 0;
  int column = 0;
};

struct Value {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  struct Member;

  Kind kind = Kind::kNull;
  Place place;
  std::string text;                    // scalar, with references such as ${env:NAME} replaced
  std::string reference;               // secret scalar: the reference, where the text is nothing else
  std::vector<std::string> variables;  // secret scalar: of the environment, whose values are in the text
  std::vector<std::string> secrets;    // secret scalar: what its references gave
  bool is_quoted = false;              // scalar: always a string
  bool is_secret = false;              // scalar: came from a reference, never to be shown
  bool is_broken = false;              // there is a complaint about it already; it stands for nothing
  std::vector<Value> list;             // list
  std::vector<Member> map;             // map: in the order of the text, keys are unique

  const Value* Find(std::string_view key) const;
  // Where a path such as "rules[2].teams" leads, as far as it is written; empty: not even its first name.
  std::optional<Place> PlaceOf(std::string_view path) const;
  // How the value is called in a complaint: its text, or <secret>, "a list", "a map", "nothing".
  std::string Shown() const;

  // For values that nobody wrote. Plain is a number, a bool, a duration or a size; String is text whatever it looks
  // like.
  static Value Plain(std::string text);
  static Value String(std::string text);
  static Value List();
  static Value Map();
  // Puts the pair at the end of a map.
  void Add(std::string key, Value value);
};

struct Value::Member {
  std::string key;
  Place place;
  Value value;
};

// The value as YAML that reads as the same value; its maps and lists stand on lines of their own, small lists in one.
std::string FormatYaml(const Value& value);
// The value as indented JSON; what is neither quoted nor looks like JSON's numbers and words is a string.
std::string FormatJson(const Value& value);

}  // namespace sgw::core
