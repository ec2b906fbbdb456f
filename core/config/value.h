// Value: one node of a YAML text, with its place, before anybody knows what it means.
#pragma once

#include <cstdint>
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
  std::string text;        // scalar, with references such as ${env:NAME} replaced
  bool is_quoted = false;  // scalar: always a string
  bool is_secret = false;  // scalar: came from a reference, never to be shown
  std::vector<Value> list;
  std::vector<Member> map;  // in the order of the text, keys are unique

  const Value* Find(std::string_view key) const;
  // How the value is called in a complaint: its text, or <secret>, "a list", "a map", "nothing".
  std::string Shown() const;
};

struct Value::Member {
  std::string key;
  Place place;
  Value value;
};

}  // namespace sgw::core
