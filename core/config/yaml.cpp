#include "core/config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace sgw::core {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::uintmax_t kMaxSecretBytes = 64 * 1024;

Place PlaceOf(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

struct Refused {};  // ends the parse; the complaint is made

// Replaces the references of a scalar.
void Expand(Value& value, Complaints& complaints) {
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t start = value.text.find("${", at);
    if (start == std::string::npos) break;
    const std::size_t end = value.text.find('}', start);
    const std::string inner = value.text.substr(start + 2, end == std::string::npos ? end : end - start - 2);
    const bool is_env = inner.rfind("env:", 0) == 0;
    const bool is_file = inner.rfind("file:", 0) == 0;
    if (end == std::string::npos || (!is_env && !is_file)) {
      complaints.Error(value.place,
                       "'${" + inner.substr(0, 40) + "' is no reference; write ${env:NAME} or ${file:/path}");
      return;
    }
    out += value.text.substr(at, start - at);
    if (is_env) {
      const char* found = std::getenv(inner.c_str() + 4);
      if (!found)
        complaints.Error(value.place, "the environment has no variable '" + inner.substr(4) + "'");
      else
        out += found;
    } else {
      std::error_code error;
      const bool is_small = std::filesystem::is_regular_file(inner.substr(5), error) &&
                            std::filesystem::file_size(inner.substr(5), error) <= kMaxSecretBytes && !error;
      std::ifstream file;
      if (is_small) file.open(inner.substr(5), std::ios::binary);
      std::stringstream content;
      content << file.rdbuf();
      if (!is_small || !file.is_open()) {
        complaints.Error(value.place,
                         "cannot take '" + inner.substr(5) + "': a secret is a regular file of at most 64 KiB");
      }
      std::string secret = content.str();
      while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
      out += secret;
    }
    value.is_secret = true;
    at = end + 1;
  }
  if (value.is_secret) value.text = out + value.text.substr(at);
}

class Builder : public YAML::EventHandler {
 public:
  explicit Builder(Complaints& complaints) : complaints_(complaints) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Scalar(mark, anchor, Value::Kind::kNull, "", false);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const bool is_null = tag != "!" && (text == "~" || text == "null");
    Scalar(mark, anchor, is_null ? Value::Kind::kNull : Value::Kind::kScalar, text, tag == "!");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { RefuseAnchor(mark); }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, anchor, Value::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, anchor, Value::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

  Value root;

 private:
  struct Level {
    Value value;
    std::string key;
    Place key_place;
    bool has_key = false;
    bool is_duplicate = false;
    std::set<std::string> seen;
  };

  [[noreturn]] void RefuseAnchor(const YAML::Mark& mark) {
    complaints_.Error(PlaceOf(mark), "anchors and aliases are not supported; write the value out");
    throw Refused();
  }

  void Scalar(const YAML::Mark& mark, YAML::anchor_t anchor, Value::Kind kind, const std::string& text,
              bool is_quoted) {
    if (anchor != 0) RefuseAnchor(mark);
    Value value;
    value.kind = kind;
    value.place = PlaceOf(mark);
    value.text = text;
    value.is_quoted = is_quoted;
    if (!levels_.empty() && levels_.back().value.kind == Value::Kind::kMap && !levels_.back().has_key) {
      return TakeKey(value);
    }
    if (kind == Value::Kind::kScalar) Expand(value, complaints_);
    Put(std::move(value));
  }

  void TakeKey(const Value& key) {
    Level& level = levels_.back();
    level.has_key = true;
    level.key = key.text;
    level.key_place = key.place;
    level.is_duplicate = !level.seen.insert(key.text).second;
    if (level.is_duplicate) complaints_.Error(key.place, "the key '" + key.text + "' stands here a second time");
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, Value::Kind kind) {
    if (anchor != 0) RefuseAnchor(mark);
    if (levels_.size() >= kMaxDepth) {
      complaints_.Error(PlaceOf(mark), "more than " + std::to_string(kMaxDepth) + " levels");
      throw Refused();
    }
    if (!levels_.empty() && levels_.back().value.kind == Value::Kind::kMap && !levels_.back().has_key) {
      complaints_.Error(PlaceOf(mark), "a key must be text");
      throw Refused();
    }
    Level level;
    level.value.kind = kind;
    level.value.place = PlaceOf(mark);
    levels_.push_back(std::move(level));
  }

  void Close() {
    Value value = std::move(levels_.back().value);
    levels_.pop_back();
    Put(std::move(value));
  }

  void Put(Value value) {
    if (levels_.empty()) {
      root = std::move(value);
      return;
    }
    Level& level = levels_.back();
    if (level.value.kind == Value::Kind::kList) {
      level.value.list.push_back(std::move(value));
      return;
    }
    level.has_key = false;
    if (!level.is_duplicate) level.value.map.push_back({level.key, level.key_place, std::move(value)});
  }

  Complaints& complaints_;
  std::vector<Level> levels_;
};

// The place of the first byte that no text has, or that is not UTF-8.
std::optional<std::pair<Place, std::string>> FindJunk(const std::string& text) {
  Place place{1, 1};
  for (std::size_t i = 0; i < text.size(); ++place.column) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\n') {
      ++place.line;
      place.column = 0;
      ++i;
      continue;
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7F) {
      return std::pair(place, std::string("a control character; is this a text file?"));
    }
    const int size = byte < 0x80                   ? 1
                     : byte >= 0xC2 && byte < 0xE0 ? 2
                     : byte >= 0xE0 && byte < 0xF0 ? 3
                     : byte >= 0xF0 && byte < 0xF5 ? 4
                                                   : 0;
    bool is_good = size > 0 && i + size <= text.size();
    for (int k = 1; is_good && k < size; ++k) is_good = (static_cast<unsigned char>(text[i + k]) & 0xC0) == 0x80;
    if (!is_good) return std::pair(place, std::string("a byte that is not UTF-8; is this a text file?"));
    i += size;
  }
  return std::nullopt;
}

}  // namespace

const Value* Value::Find(std::string_view key) const {
  for (const Member& member : map) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string Value::Shown() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
    case Kind::kScalar:
      break;
  }
  return is_secret ? "<secret>" : "'" + text.substr(0, 80) + "'";
}

std::optional<Value> ParseYaml(const std::string& text, Complaints& complaints) {
  if (text.size() > kMaxConfigBytes) {
    complaints.Error({}, "the file has " + std::to_string(text.size()) + " bytes; a configuration has at most 1 MiB");
    return std::nullopt;
  }
  if (const auto junk = FindJunk(text)) {
    complaints.Error(junk->first, junk->second);
    return std::nullopt;
  }
  Builder builder(complaints);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
  } catch (const Refused&) {
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    std::string what = error.msg;
    const std::size_t line_start =
        error.mark.pos <= 0 ? 0 : text.rfind('\n', static_cast<std::size_t>(error.mark.pos) - 1) + 1;
    const std::size_t line_end = text.find('\n', line_start);
    if (text.substr(line_start, line_end - line_start).find('\t') != std::string::npos) {
      what += "; the line has a tab, and YAML is indented with spaces";
    }
    complaints.Error(PlaceOf(error.mark), what);
    return std::nullopt;
  }
  if (complaints.has_errors()) return std::nullopt;
  return std::move(builder.root);
}

}  // namespace sgw::core
