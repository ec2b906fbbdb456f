// A configuration: whatever the text is, each complaint is one line with its place that a terminal shows as it is; and
// a value that was read, written and read again is the same value.
#include "core/config/load.h"
#include "core/config/yaml.h"
#include "tests/fuzz/input.h"

namespace sgw::core {
namespace {

using fuzz::Require;

void CheckLines(const Complaints& complaints) {
  bool has_errors = false;
  for (const auto& [text, is_warning] : complaints.Lines()) {
    Require(text.starts_with("fuzz.yaml:"), "a complaint begins with its file");
    for (const char c : text) Require(static_cast<unsigned char>(c) >= ' ' && c != '\x7f', "a complaint is one line");
    has_errors = has_errors || !is_warning;
  }
  Require(has_errors == complaints.has_errors() || complaints.is_full(), "what is wrong is said");
}

bool AreEqual(const Value& a, const Value& b) {
  if (a.kind != b.kind || a.text != b.text || a.list.size() != b.list.size() || a.map.size() != b.map.size())
    return false;
  for (std::size_t i = 0; i < a.list.size(); ++i) {
    if (!AreEqual(a.list[i], b.list[i])) return false;
  }
  for (std::size_t i = 0; i < a.map.size(); ++i) {
    if (a.map[i].key != b.map[i].key || !AreEqual(a.map[i].value, b.map[i].value)) return false;
  }
  return true;
}

void CheckWritten(const std::string& text) {
  Complaints complaints("fuzz.yaml");
  const auto value = ParseYaml(text, "/nowhere", complaints);
  CheckLines(complaints);
  if (!value) Require(complaints.has_errors(), "a text that is no YAML is complained about");
  if (!value || value->kind != Value::Kind::kMap || complaints.has_errors() || text.find("${") != std::string::npos)
    return;
  FormatJson(*value);
  Complaints none("fuzz.yaml");
  const auto again = ParseYaml(FormatYaml(*value), "/nowhere", none);
  Require(again && !none.has_errors(), "what is written can be read");
  Require(AreEqual(*value, *again), "what is written reads as the same value");
}

void Check(const std::string& text) {
  Complaints complaints("fuzz.yaml");
  const Config config = ReadConfigText(text, "/nowhere", complaints);
  CheckLines(complaints);
  if (!complaints.has_errors()) {
    Require(!config.listeners.empty() && !config.pipeline.empty(), "a configuration has a listener and a pipeline");
  }
  CheckWritten(text);
}

}  // namespace
}  // namespace sgw::core

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::core::Check(std::string(sgw::fuzz::Input(data, size).Rest()));
  return 0;
}
