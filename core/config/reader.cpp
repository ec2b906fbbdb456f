#include "core/config/reader.h"

#include <algorithm>
#include <charconv>

#include "core/config/units.h"

namespace sgw::core {

MapReader::MapReader(const Value& map, std::string where, Complaints& complaints)
    : map_(map), where_(std::move(where)), complaints_(complaints) {
  if (map.kind != Value::Kind::kMap && map.kind != Value::Kind::kNull) {
    complaints.Error(map.place, where_ + " must be a map, not " + map.Shown());
  }
}

MapReader::~MapReader() {
  for (const auto& member : map_.map) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    const std::string place = where_.empty() ? "the configuration" : where_;
    complaints_.Error(member.place, place + " has no key '" + member.key + "'" + DidYouMean(member.key, known_));
  }
}

const Value* MapReader::Get(const std::string& key) {
  known_.push_back(key);
  return map_.Find(key);
}

void MapReader::Wrong(const Value& value, const std::string& key, const std::string& wanted) {
  complaints_.Error(value.place, Path(key) + " must be " + wanted + ", not " + value.Shown());
}

void MapReader::Text(const std::string& key, std::string& into) {
  const Value* value = Get(key);
  if (!value) return;
  if (value->kind != Value::Kind::kScalar) return Wrong(*value, key, "a text");
  into = value->text;
}

void MapReader::Name(const std::string& key, std::string& into) {
  const Value* value = Get(key);
  if (!value) return;
  if (value->kind != Value::Kind::kScalar || value->is_secret) {
    return Wrong(*value, key, "a text that is written out");
  }
  into = value->text;
}

void MapReader::Bool(const std::string& key, bool& into) {
  const Value* value = Get(key);
  if (!value) return;
  if (value->kind != Value::Kind::kScalar || (value->text != "true" && value->text != "false")) {
    return Wrong(*value, key, "true or false");
  }
  into = value->text == "true";
}

void MapReader::Count(const std::string& key, std::int64_t& into, std::int64_t least) {
  const Value* value = Get(key);
  if (!value) return;
  std::int64_t number = 0;
  const char* end = value->text.data() + value->text.size();
  const auto [stop, error] = std::from_chars(value->text.data(), end, number);
  if (value->kind != Value::Kind::kScalar || error != std::errc() || stop != end || number < least) {
    return Wrong(*value, key, "a whole number of at least " + std::to_string(least));
  }
  into = number;
}

void MapReader::Size(const std::string& key, std::int64_t& into) {
  const Value* value = Get(key);
  if (!value) return;
  const auto size = value->kind == Value::Kind::kScalar ? ParseSize(value->text) : std::nullopt;
  if (!size) return Wrong(*value, key, "a size such as 64KiB, 1MiB or a number of bytes");
  into = *size;
}

void MapReader::Duration(const std::string& key, std::chrono::milliseconds& into) {
  const Value* value = Get(key);
  if (!value) return;
  const auto duration = value->kind == Value::Kind::kScalar ? ParseDuration(value->text) : std::nullopt;
  if (!duration) return Wrong(*value, key, "a duration such as 250ms, 25s, 30m or 24h");
  into = *duration;
}

void MapReader::Choice(const std::string& key, const std::vector<std::string>& words, int& into) {
  const Value* value = Get(key);
  if (!value) return;
  const auto found = std::find(words.begin(), words.end(), value->text);
  if (value->kind == Value::Kind::kScalar && found != words.end()) {
    into = static_cast<int>(found - words.begin());
    return;
  }
  std::string list;
  for (const auto& word : words) list += (list.empty() ? "" : word == words.back() ? " or " : ", ") + word;
  Wrong(*value, key, list);
}

void MapReader::Texts(const std::string& key, std::vector<std::string>& into) {
  const Value* value = Get(key);
  if (!value) return;
  if (value->kind == Value::Kind::kScalar && !value->is_secret) {
    into = {value->text};
    return;
  }
  if (value->kind != Value::Kind::kList) return Wrong(*value, key, "a text or a list of texts");
  into.clear();
  for (const Value& one : value->list) {
    if (one.kind == Value::Kind::kScalar && !one.is_secret)
      into.push_back(one.text);
    else
      Wrong(one, key, "a list of texts");
  }
}

}  // namespace sgw::core
