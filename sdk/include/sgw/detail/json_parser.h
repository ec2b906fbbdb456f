// The reader behind Json::Parse.
#pragma once

#include <sgw/status.h>

#include <string>
#include <string_view>

namespace sgw {
class Json;
}

namespace sgw::detail {

// A recursive descent over RFC 8259; the first mistake ends it.
class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}
  Result<Json> Parse();

 private:
  static constexpr int kMaxDepth = 64;
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

  bool Value(Json& out, int depth);
  bool Object(Json& out, int depth);
  bool Array(Json& out, int depth);
  bool String(std::string& out);
  bool Escape(std::string& out);
  bool Hex4(unsigned& out);
  bool Utf8(std::string& out);
  bool Number(std::string& out);
  bool Digits();
  bool Word(std::string_view word);
  void SkipSpace();
  bool Take(char c);
  bool Fail(const char* why);

  std::string_view text_;
  std::size_t at_ = 0;
  const char* why_ = nullptr;
};

// Length of the valid UTF-8 sequence at the front of `text`, 0 when it is not valid (RFC 3629).
constexpr std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto is_tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  if (text.empty()) return 0;
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return is_tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!is_tail(1) || !is_tail(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!is_tail(1) || !is_tail(2) || !is_tail(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;  // overlong
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

constexpr void AppendUtf8(std::string& out, unsigned code) {
  const auto add = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    add(0xE0 | (code >> 12));
    add(0x80 | ((code >> 6) & 0x3F));
  } else {
    add(0xF0 | (code >> 18));
    add(0x80 | ((code >> 12) & 0x3F));
    add(0x80 | ((code >> 6) & 0x3F));
  }
  add(0x80 | (code & 0x3F));
}

// See JsonEscape. Also runs at compile time, for the tag.
constexpr void AppendJsonEscaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  while (!text.empty()) {
    const char c = text.front();
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 0xF]);
    } else if (const std::size_t length = Utf8Length(text); length > 0) {
      // U+0080 to U+009F are control characters too (C1), and terminals obey them.
      if (length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
        out += "\\u00";
        out.push_back(kHex[static_cast<unsigned char>(text[1]) >> 4]);
        out.push_back(kHex[static_cast<unsigned char>(text[1]) & 0xF]);
      } else {
        for (const char each : text.substr(0, length)) out.push_back(each);
      }
      text.remove_prefix(length);
      continue;
    } else {
      AppendUtf8(out, 0xFFFD);
    }
    text.remove_prefix(1);
  }
}

}  // namespace sgw::detail
