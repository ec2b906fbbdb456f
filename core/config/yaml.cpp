#include "core/config/yaml.h"

#include <sgw/json.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "core/config/references.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxKey = 256;

Place PlaceOf(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// The parser makes single bytes of the escapes \_ and \N, where the file itself was UTF-8.
bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = sgw::detail::Utf8Length(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

class Builder : public YAML::EventHandler {
 public:
  // No directory: there are no references.
  Builder(const std::string* directory, Complaints& complaints) : directory_(directory), complaints_(complaints) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) complaints_.Error(PlaceOf(mark), "here begins a second document; the file may have one");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Scalar(mark, "", anchor, Value::Kind::kNull, "");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const bool is_null = (tag.empty() || tag == "?") && (text == "~" || text == "null");
    Scalar(mark, tag, anchor, is_null ? Value::Kind::kNull : Value::Kind::kScalar, text);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Scalar(mark, "", anchor, Value::Kind::kNull, "");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(NewValue(mark, tag, anchor, Value::Kind::kList));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(NewValue(mark, tag, anchor, Value::Kind::kMap));
  }
  void OnMapEnd() override { Close(); }

  int documents() const { return documents_; }

  Value root;

 private:
  struct Level {
    Value value;
    std::string key;
    Place key_place;
    bool has_key = false;
    bool is_ignored = false;  // the key's value: nobody could tell it from another
    std::set<std::string> seen;
  };

  Value NewValue(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Value::Kind kind) {
    Value value;
    value.kind = kind;
    value.place = PlaceOf(mark);
    value.is_quoted = tag == "!";
    const bool has_tag = !tag.empty() && tag != "!" && tag != "?" && tag.rfind("tag:yaml.org,2002:", 0) != 0;
    value.is_broken = anchor != 0 || has_tag;
    if (anchor != 0) complaints_.Error(value.place, "anchors and aliases are not supported; write the value out");
    if (has_tag) complaints_.Error(value.place, "tags such as '" + tag.substr(0, 40) + "' are not supported");
    return value;
  }

  // The next value is a key of the innermost map.
  bool is_key() const {
    return !levels_.empty() && levels_.back().value.kind == Value::Kind::kMap && !levels_.back().has_key;
  }

  void Scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Value::Kind kind,
              const std::string& text) {
    if (too_deep_ > 0) return;
    Value value = NewValue(mark, tag, anchor, kind);
    value.text = text;
    if (!IsUtf8(text)) {
      complaints_.Error(value.place, "the escapes \\_ and \\N are not supported; write \\u00a0 or \\u0085");
      value.is_broken = true;
    }
    if (is_key()) return TakeKey(value);
    if (directory_ && kind == Value::Kind::kScalar) ReplaceReferences(value, *directory_, complaints_);
    Put(std::move(value));
  }

  void TakeKey(const Value& key) {
    Level& level = levels_.back();
    level.has_key = true;
    level.key_place = key.place;
    level.key = key.text.substr(0, kMaxKey);
    level.is_ignored = key.is_broken;
    if (key.text.size() > kMaxKey) {
      complaints_.Error(key.place, "a key of " + std::to_string(key.text.size()) + " bytes");
      level.is_ignored = true;
    } else if (!level.seen.insert(level.key).second) {
      complaints_.Error(key.place, "the key '" + level.key + "' stands here a second time");
      level.is_ignored = true;
    }
  }

  void Open(Value value) {
    // Deeper levels, and a list or map in the place of a key, are walked over.
    if (too_deep_ > 0 || levels_.size() >= kMaxDepth || is_key()) {
      if (++too_deep_ > 1) return;
      complaints_.Error(value.place, is_key() ? std::string("a key must be text")
                                              : "more than " + std::to_string(kMaxDepth) + " levels");
      return;
    }
    Level level;
    level.value = std::move(value);
    levels_.push_back(std::move(level));
  }

  void Close() {
    if (too_deep_ > 0) {
      if (--too_deep_ > 0) return;
      if (is_key()) {
        levels_.back().has_key = levels_.back().is_ignored = true;
        return;
      }
      Value broken;
      broken.is_broken = true;
      return Put(std::move(broken));
    }
    Value value = std::move(levels_.back().value);
    levels_.pop_back();
    Put(std::move(value));
  }

  void Put(Value value) {
    if (levels_.empty()) {
      if (documents_ == 1) root = std::move(value);
      return;
    }
    Level& level = levels_.back();
    if (level.value.kind == Value::Kind::kList) {
      level.value.list.push_back(std::move(value));
      return;
    }
    level.has_key = false;
    // The parser has no place for what is not there, and gives that of whatever comes next.
    if (value.kind == Value::Kind::kNull && value.text.empty()) value.place = level.key_place;
    if (!level.is_ignored) level.value.map.push_back({level.key, level.key_place, std::move(value)});
  }

  const std::string* const directory_;
  Complaints& complaints_;
  int documents_ = 0;
  std::size_t too_deep_ = 0;  // levels that are open and have no place in levels_
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
    if (byte == '\r' && i + 1 < text.size() && text[i + 1] != '\n')
      return std::pair(place, std::string("a carriage return within a line; a line ends with LF or CR LF"));
    if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7F) {
      return std::pair(place, std::string("a control character; is this a text file?"));
    }
    const std::size_t size = sgw::detail::Utf8Length(std::string_view(text).substr(i));
    if (size == 0) return std::pair(place, std::string("a byte that is not UTF-8; is this a text file?"));
    i += size;
  }
  return std::nullopt;
}

// What helps whoever reads the parser's own message.
std::string HintFor(const std::string& message, const std::string& text, const YAML::Mark& mark) {
  if (message.starts_with("end of sequence flow")) return "; a '[' is not closed";
  if (message.starts_with("end of map flow")) return "; a '{' or a quote is not closed";
  if (message == "unknown token") return "; a text that begins with '@', '%' or '`' stands in quotes";
  if (message == "bad file") return "; it has too many levels to be read to its end";
  const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
  const std::size_t start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
  const bool has_tab = text.substr(start, text.find('\n', start) - start).find('\t') != std::string::npos;
  if (has_tab) return "; the line has a tab, and YAML is indented with spaces";
  if (message == "end of map not found" || message == "end of sequence not found")
    return "; is the line indented as its neighbours are?";
  if (message == "illegal map value") {
    return "; is the line indented as its neighbours are, and does a blank follow each ':'? A text with ': ' stands in "
           "quotes";
  }
  return message == "illegal flow end" ? "; nothing opens this bracket" : "";
}

}  // namespace

std::optional<Value> ParseYaml(const std::string& text, const std::string& directory, Complaints& complaints,
                               const YamlRules& rules) {
  if (text.size() > rules.max_bytes) {
    complaints.Error({}, "the file has " + std::to_string(text.size()) + " bytes, and may have at most " +
                             std::to_string(rules.max_bytes >> 20) + " MiB");
    return std::nullopt;
  }
  if (const auto junk = FindJunk(text)) {
    complaints.Error(junk->first, junk->second);
    return std::nullopt;
  }
  Builder builder(rules.has_references ? &directory : nullptr, complaints);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    // Not to the last: before a ',' at the start of a line the parser sees documents without end.
    while (builder.documents() < 2 && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    complaints.Error(PlaceOf(error.mark), error.msg + HintFor(error.msg, text, error.mark));
    return std::nullopt;
  }
  return std::move(builder.root);
}

}  // namespace sgw::core
