#include "core/config/value.h"

#include <sgw/json.h>

#include <algorithm>
#include <charconv>

namespace sgw::core {
namespace {

bool IsNumber(std::string_view text) {
  const std::string_view digits = text.substr(!text.empty() && text.front() == '-' ? 1 : 0);
  return !digits.empty() && digits.size() <= 18 && (digits == "0" || digits.front() != '0') &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

bool IsJson(std::string_view text) { return text == "true" || text == "false" || IsNumber(text); }

// Text that every YAML reader takes for a string, without quotes.
bool IsPlain(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/.";
  if (text.empty() || kLetters.find(text.front()) == std::string_view::npos) return false;
  const auto is_fine = [&](char c) {
    return kLetters.find(c) != std::string_view::npos || (c >= '0' && c <= '9') || c == '-';
  };
  if (!std::all_of(text.begin(), text.end(), is_fine)) return false;
  for (const std::string_view word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}) {
    if (text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) {
          return std::tolower(static_cast<unsigned char>(a)) == b;
        })) {
      return false;
    }
  }
  return text.find_first_not_of("0123456789.") != std::string_view::npos;
}

// A parser looks no further for the ':' behind a key (YAML 1.2.2, 7.4).
constexpr std::size_t kMaxSimpleKey = 1024;

std::string Quoted(std::string_view text) { return '"' + JsonEscape(text) + '"'; }

std::string YamlScalar(const Value& value) {
  if (value.kind == Value::Kind::kNull) return "null";
  if (!value.is_quoted && !value.text.empty()) {
    // Durations, sizes and numbers begin with a digit.
    if (IsJson(value.text) || IsPlain(value.text) || IsPlain("a" + value.text)) return value.text;
  }
  return IsPlain(value.text) ? value.text : Quoted(value.text);
}

bool IsShort(const Value& value) {
  return value.list.size() <= 8 && std::all_of(value.list.begin(), value.list.end(), [](const Value& one) {
           return one.list.empty() && one.map.empty() && one.text.size() <= 40;
         });
}

class YamlWriter {
 public:
  void Write(const Value& value, std::size_t indent) {
    const std::string margin(indent, ' ');
    for (const auto& member : value.map) {
      const std::string key = IsPlain(member.key) ? member.key : Quoted(member.key);
      out += margin + (key.size() <= kMaxSimpleKey ? key : "? " + key + "\n" + margin) + ":";
      After(member.value, indent);
    }
    for (const Value& one : value.list) {
      out += margin + "-";
      if (one.map.empty()) {
        After(one, indent);
        continue;
      }
      // The first pair of a map stands on the line of its dash.
      const std::size_t at = out.size();
      Write(one, indent + 2);
      out.replace(at, indent + 2, " ");
    }
  }

  std::string out;

 private:
  void After(const Value& value, std::size_t indent) {
    switch (value.kind) {
      case Value::Kind::kNull:
      case Value::Kind::kScalar: out += " " + YamlScalar(value) + "\n"; return;
      case Value::Kind::kMap:
        if (value.map.empty()) {
          out += " {}\n";
          return;
        }
        break;
      case Value::Kind::kList:
        if (!IsShort(value)) break;
        out += " [";
        for (const Value& one : value.list) out += (&one == value.list.data() ? "" : ", ") + Flow(one);
        out += "]\n";
        return;
    }
    out += "\n";
    Write(value, indent + 2);
  }

  static std::string Flow(const Value& value) {
    if (value.kind == Value::Kind::kMap) return "{}";
    return value.kind == Value::Kind::kList ? "[]" : YamlScalar(value);
  }
};

void WriteJson(const Value& value, std::size_t indent, std::string& out) {
  const std::string margin = "\n" + std::string(indent + 2, ' ');
  const auto end = [&](char open, char close, std::size_t count, const auto& each) {
    out += open;
    for (std::size_t i = 0; i < count; ++i) {
      out += (i == 0 ? "" : ",") + margin;
      each(i);
    }
    if (count > 0) out += "\n" + std::string(indent, ' ');
    out += close;
  };
  switch (value.kind) {
    case Value::Kind::kNull: out += "null"; return;
    case Value::Kind::kScalar: out += !value.is_quoted && IsJson(value.text) ? value.text : Quoted(value.text); return;
    case Value::Kind::kList:
      return end('[', ']', value.list.size(), [&](std::size_t i) { WriteJson(value.list[i], indent + 2, out); });
    case Value::Kind::kMap:
      return end('{', '}', value.map.size(), [&](std::size_t i) {
        out += Quoted(value.map[i].key) + ": ";
        WriteJson(value.map[i].value, indent + 2, out);
      });
  }
}

Value Of(Value::Kind kind) {
  Value value;
  value.kind = kind;
  return value;
}

}  // namespace

std::optional<Place> Value::PlaceOf(std::string_view path) const {
  if (path.substr(0, 1) == "[") {
    const std::size_t end = path.find(']');
    std::size_t index = list.size();
    std::from_chars(path.data() + 1, path.data() + std::min(end, path.size()), index);
    if (end == std::string_view::npos || index >= list.size()) return std::nullopt;
    return list[index].PlaceOf(path.substr(end + 1)).value_or(list[index].place);
  }
  if (path.substr(0, 1) == ".") path.remove_prefix(1);
  // Keys may have dots: the longest that fits is meant.
  const Member* found = nullptr;
  for (const Member& member : map) {
    const std::string_view rest = path.substr(std::min(member.key.size(), path.size()));
    const bool fits = path.substr(0, member.key.size()) == member.key && !member.key.empty() &&
                      (rest.empty() || rest.front() == '.' || rest.front() == '[');
    if (fits && (!found || found->key.size() < member.key.size())) found = &member;
  }
  if (!found) return std::nullopt;
  return found->value.PlaceOf(path.substr(found->key.size())).value_or(found->value.place);
}

const Value* Value::Find(std::string_view key) const {
  for (const Member& member : map) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string Value::Shown() const {
  switch (kind) {
    case Kind::kNull: return "nothing";
    case Kind::kList: return list.empty() ? "an empty list" : "a list";
    case Kind::kMap: return "a map";
    case Kind::kScalar: break;
  }
  if (is_secret) return "<secret>";
  return text.size() <= 80 ? "'" + text + "'" : "'" + text.substr(0, 80) + "...'";
}

Value Value::List() { return Of(Kind::kList); }
Value Value::Map() { return Of(Kind::kMap); }

Value Value::Plain(std::string text) {
  Value value = Of(Kind::kScalar);
  value.text = std::move(text);
  return value;
}

Value Value::String(std::string text) {
  Value value = Plain(std::move(text));
  value.is_quoted = true;
  return value;
}

void Value::Add(std::string key, Value value) { map.push_back({std::move(key), {}, std::move(value)}); }

std::string FormatYaml(const Value& value) {
  YamlWriter writer;
  writer.Write(value, 0);
  return std::move(writer.out);
}

std::string FormatJson(const Value& value) {
  std::string out;
  WriteJson(value, 0, out);
  return out + "\n";
}

}  // namespace sgw::core
