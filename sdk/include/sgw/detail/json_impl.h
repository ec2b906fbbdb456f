#pragma once

#include <sgw/json.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace sgw {

namespace detail {

inline bool JsonParser::Fail(const char* why) {
  if (!why_) why_ = why;
  return false;
}

inline void JsonParser::SkipSpace() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

inline bool JsonParser::Take(char c) {
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

inline bool JsonParser::Word(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return Fail("expected a value");
  at_ += word.size();
  return true;
}

inline Result<Json> JsonParser::Parse() {
  if (text_.size() > kMaxBytes) return InvalidArgument("JSON: longer than 16 MiB");
  Json value;
  bool is_good = Value(value, 0);
  if (is_good) {
    SkipSpace();
    if (at_ != text_.size()) is_good = Fail("text after the value");
  }
  if (is_good) return value;
  return InvalidArgument("JSON: byte " + std::to_string(at_) + ": " + why_);
}

inline bool JsonParser::Value(Json& out, int depth) {
  SkipSpace();
  if (at_ >= text_.size()) return Fail("ends too early");
  switch (text_[at_]) {
    case '{': return Object(out, depth + 1);
    case '[': return Array(out, depth + 1);
    case '"': out.kind_ = Json::Kind::kString; return String(out.text_);
    case 'n': return Word("null");
    case 't':
    case 'f':
      out.kind_ = Json::Kind::kBool;
      out.bool_ = text_[at_] == 't';
      return Word(out.bool_ ? "true" : "false");
    default: out.kind_ = Json::Kind::kNumber; return Number(out.text_);
  }
}

inline bool JsonParser::Object(Json& out, int depth) {
  if (depth > kMaxDepth) return Fail("nested deeper than 64");
  out.kind_ = Json::Kind::kObject;
  ++at_;
  SkipSpace();
  if (Take('}')) return true;
  do {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != '"') return Fail("expected a name in quotes");
    std::string name;
    if (!String(name)) return false;
    SkipSpace();
    if (!Take(':')) return Fail("expected ':'");
    out.members_.emplace_back(std::move(name), Json());
    if (!Value(out.members_.back().second, depth)) return false;
    SkipSpace();
  } while (Take(','));
  if (!Take('}')) return Fail("expected ',' or '}'");

  std::vector<std::string_view> names;
  names.reserve(out.members_.size());
  for (const auto& [name, value] : out.members_) names.push_back(name);
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end()) return Fail("a name comes twice in this object");
  return true;
}

inline bool JsonParser::Array(Json& out, int depth) {
  if (depth > kMaxDepth) return Fail("nested deeper than 64");
  out.kind_ = Json::Kind::kArray;
  ++at_;
  SkipSpace();
  if (Take(']')) return true;
  do {
    out.elements_.emplace_back();
    if (!Value(out.elements_.back(), depth)) return false;
    SkipSpace();
  } while (Take(','));
  return Take(']') || Fail("expected ',' or ']'");
}

inline bool JsonParser::String(std::string& out) {
  ++at_;
  while (at_ < text_.size()) {
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte == '"') {
      ++at_;
      return true;
    }
    if (byte == '\\') {
      ++at_;
      if (!Escape(out)) return false;
    } else if (byte < 0x20) {
      return Fail("a control character in a string");
    } else if (byte < 0x80) {
      out.push_back(text_[at_++]);
    } else if (!Utf8(out)) {
      return false;
    }
  }
  return Fail("a string without its end");
}

inline bool JsonParser::Utf8(std::string& out) {
  const std::size_t length = Utf8Length(text_.substr(at_));
  if (length == 0) return Fail("invalid UTF-8");
  out.append(text_, at_, length);
  at_ += length;
  return true;
}

inline bool JsonParser::Escape(std::string& out) {
  if (at_ >= text_.size()) return Fail("a string without its end");
  const char c = text_[at_++];
  switch (c) {
    case '"':
    case '\\':
    case '/': out.push_back(c); return true;
    case 'b': out.push_back('\b'); return true;
    case 'f': out.push_back('\f'); return true;
    case 'n': out.push_back('\n'); return true;
    case 'r': out.push_back('\r'); return true;
    case 't': out.push_back('\t'); return true;
    case 'u': break;
    default: return Fail("an unknown escape");
  }
  unsigned code = 0;
  if (!Hex4(code)) return false;
  if (code >= 0xDC00 && code <= 0xDFFF) return Fail("an unpaired surrogate");
  if (code >= 0xD800 && code <= 0xDBFF) {
    unsigned low = 0;
    if (!Take('\\') || !Take('u')) return Fail("an unpaired surrogate");
    if (!Hex4(low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return Fail("an unpaired surrogate");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  AppendUtf8(out, code);
  return true;
}

inline bool JsonParser::Hex4(unsigned& out) {
  const std::string_view digits = text_.substr(at_, 4);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, 16);
  if (digits.size() != 4 || error != std::errc() || end != digits.data() + 4) return Fail("expected four hex digits");
  at_ += 4;
  return true;
}

inline bool JsonParser::Digits() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
  return at_ > begin || Fail("expected a value");
}

inline bool JsonParser::Number(std::string& out) {
  const std::size_t begin = at_;
  Take('-');
  if (!Take('0') && !Digits()) return false;
  if (Take('.') && !Digits()) return false;
  if (Take('e') || Take('E')) {
    if (!Take('+')) Take('-');
    if (!Digits()) return false;
  }
  out.assign(text_, begin, at_ - begin);
  return true;
}

}  // namespace detail

inline Result<Json> Json::Parse(std::string_view text) { return detail::JsonParser(text).Parse(); }

inline const Json* Json::At(std::string_view pointer) const {
  const Json* at = this;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const std::string_view raw = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(raw.size());
    if (at->kind_ == Kind::kArray) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), index);
      const bool is_padded = raw.size() > 1 && raw.front() == '0';
      if (error != std::errc() || end != raw.data() + raw.size() || is_padded) return nullptr;
      if (index >= at->elements_.size()) return nullptr;
      at = &at->elements_[index];
      continue;
    }
    std::string name;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const bool is_escape = raw[i] == '~' && i + 1 < raw.size() && (raw[i + 1] == '0' || raw[i + 1] == '1');
      name.push_back(!is_escape ? raw[i] : raw[i + 1] == '0' ? '~' : '/');
      if (is_escape) ++i;
    }
    const auto found = std::find_if(at->members_.begin(), at->members_.end(),
                                    [&](const auto& member) { return member.first == name; });
    if (found == at->members_.end()) return nullptr;
    at = &found->second;
  }
  return at;
}

inline std::optional<double> Json::as_number() const {
  if (kind_ != Kind::kNumber) return std::nullopt;
  double value = 0;
  // An overflow gives infinity and an underflow zero, as every reader of JSON does.
  const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (error == std::errc::result_out_of_range) return std::strtod(text_.c_str(), nullptr);
  return value;
}

inline std::optional<std::int64_t> Json::as_integer() const {
  if (kind_ != Kind::kNumber) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (error != std::errc() || end != text_.data() + text_.size()) return std::nullopt;
  return value;
}

inline std::string Json::String(std::string_view pointer, std::string_view otherwise) const {
  const Json* value = At(pointer);
  return value && value->as_string() ? *value->as_string() : std::string(otherwise);
}
inline bool Json::Bool(std::string_view pointer, bool otherwise) const {
  const Json* value = At(pointer);
  return value ? value->as_bool().value_or(otherwise) : otherwise;
}
inline double Json::Number(std::string_view pointer, double otherwise) const {
  const Json* value = At(pointer);
  return value ? value->as_number().value_or(otherwise) : otherwise;
}
inline std::int64_t Json::Integer(std::string_view pointer, std::int64_t otherwise) const {
  const Json* value = At(pointer);
  return value ? value->as_integer().value_or(otherwise) : otherwise;
}

inline std::vector<std::string> Json::Strings(std::string_view pointer) const {
  std::vector<std::string> strings;
  const Json* value = At(pointer);
  if (!value) return strings;
  for (const Json& element : value->elements_) {
    if (element.kind_ != Kind::kString) return {};
    strings.push_back(element.text_);
  }
  return strings;
}

inline std::string JsonEscape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  detail::AppendJsonEscaped(escaped, text);
  return escaped;
}

inline void JsonWriter::Separate() {
  if (needs_comma_) text_.push_back(',');
}
inline JsonWriter& JsonWriter::Plain(std::string_view json) {
  Separate();
  text_.append(json);
  needs_comma_ = true;
  return *this;
}
inline JsonWriter& JsonWriter::BeginObject() {
  Separate();
  text_.push_back('{');
  needs_comma_ = false;
  return *this;
}
inline JsonWriter& JsonWriter::EndObject() {
  text_.push_back('}');
  needs_comma_ = true;
  return *this;
}
inline JsonWriter& JsonWriter::BeginArray() {
  Separate();
  text_.push_back('[');
  needs_comma_ = false;
  return *this;
}
inline JsonWriter& JsonWriter::EndArray() {
  text_.push_back(']');
  needs_comma_ = true;
  return *this;
}
inline JsonWriter& JsonWriter::Key(std::string_view name) {
  Value(name);
  text_.push_back(':');
  needs_comma_ = false;
  return *this;
}
inline JsonWriter& JsonWriter::Value(std::string_view text) {
  Separate();
  text_.push_back('"');
  detail::AppendJsonEscaped(text_, text);
  text_.push_back('"');
  needs_comma_ = true;
  return *this;
}
inline JsonWriter& JsonWriter::Value(bool value) { return Plain(value ? "true" : "false"); }
inline JsonWriter& JsonWriter::Value(double value) {
  if (!std::isfinite(value)) return Null();
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value);
  return Plain(std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

}  // namespace sgw
