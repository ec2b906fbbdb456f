// The SDK's JSON: what was read, written and read again is the same value.
#include <sgw/json.h>

#include <utility>

#include "tests/fuzz/input.h"

namespace sgw {
namespace {

using fuzz::Require;

void Write(const Json& json, JsonWriter& writer) {
  switch (json.kind()) {
    case Json::Kind::kNull: writer.Null(); return;
    case Json::Kind::kBool: writer.Value(*json.as_bool()); return;
    case Json::Kind::kNumber:
      if (const auto integer = json.as_integer()) {
        writer.Value(*integer);
      } else {
        writer.Value(json.as_number().value_or(0) + 0.0);  // not -0
      }
      return;
    case Json::Kind::kString: writer.Value(*json.as_string()); return;
    case Json::Kind::kArray:
      writer.BeginArray();
      for (const Json& element : json.elements()) Write(element, writer);
      writer.EndArray();
      return;
    case Json::Kind::kObject:
      writer.BeginObject();
      for (const auto& [name, member] : json.members()) Write(member, (writer.Key(name), writer));
      writer.EndObject();
      return;
  }
}

// Each name of an object leads, as a JSON pointer, to its member.
void CheckPointers(const Json& json) {
  for (const auto& [name, member] : json.members()) {
    std::string pointer = "/";
    for (const char c : name) pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    Require(json.At(pointer) == &member, "a pointer leads to the member that it names");
    CheckPointers(member);
  }
  for (std::size_t i = 0; i < json.elements().size(); ++i) {
    Require(json.At("/" + std::to_string(i)) == &json.elements()[i], "a pointer leads to the element that it numbers");
    CheckPointers(json.elements()[i]);
  }
}

std::string Written(const Json& json) {
  JsonWriter writer;
  Write(json, writer);
  return std::move(writer).Text();
}

void Check(std::string_view text) {
  const auto json = Json::Parse(text);
  const auto escaped = Json::Parse("\"" + JsonEscape(text) + "\"");
  Require(escaped && escaped->as_string(), "any text can be written as a string");
  if (!json) {
    Require(json.status().code() == StatusCode::kInvalidArgument, "a mistake is the writer's");
    return;
  }
  Require(*escaped->as_string() == text, "text that is UTF-8 is escaped without loss");
  CheckPointers(*json);
  const std::string once = Written(*json);
  const auto again = Json::Parse(once);
  Require(again.has_value() && Written(*again) == once, "what is written reads as the same value");
}

}  // namespace
}  // namespace sgw

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::Check(sgw::fuzz::Input(data, size).Rest());
  return 0;
}
