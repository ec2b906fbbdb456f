#include "core/config/reader.h"

#include <algorithm>
#include <charconv>

#include "core/config/address.h"
#include "core/config/files.h"
#include "core/config/units.h"

namespace sgw::core {
namespace {

constexpr const char* kRoot = "the configuration";

std::string Range(const std::string& least, const std::string& most) { return " from " + least + " to " + most; }

}  // namespace

const Value MapReader::kNothing;

MapReader::MapReader(const Value& map, std::string where, const std::string& directory, Complaints& complaints)
    : map_(map), where_(std::move(where)), directory_(directory), complaints_(complaints) {
  if (map.kind == Value::Kind::kMap || map.kind == Value::Kind::kNull) return;
  complaints.Error(map.place, (where_.empty() ? kRoot : where_) + " must be a map, not " + map.Shown());
}

MapReader::~MapReader() {
  for (const auto& member : map_.map) {
    if (complaints_.is_full()) return;
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    const std::string owner = where_.empty() ? kRoot : where_;
    complaints_.Error(member.place, owner + " has no key '" + member.key + "'" + DidYouMean(member.key, known_));
  }
}

const Value* MapReader::Get(const std::string& key) {
  known_.push_back(key);
  return map_.Find(key);
}

void MapReader::Wrong(const Value& value, const std::string& key, const std::string& wanted) {
  if (!value.is_broken) complaints_.Error(value.place, Where(key) + " must be " + wanted + ", not " + value.Shown());
}

const Value* MapReader::Written(const std::string& key, const std::string& wanted) {
  const Value* value = Get(key);
  if (!value || (value->kind == Value::Kind::kScalar && !value->is_secret && !value->is_broken)) return value;
  Wrong(*value, key, wanted);
  return nullptr;
}

void MapReader::Name(const std::string& key, std::string& into) {
  if (const Value* value = Written(key, "a text that is written out")) into = value->text;
}

void MapReader::Path(const std::string& key, std::string& into) {
  if (const Value* value = Written(key, "a path that is written out")) into = Absolute(value->text, directory_);
}

void MapReader::Address(const std::string& key, std::string& into) { AddressOf(key, into, true); }

void MapReader::TcpAddress(const std::string& key, std::string& into) { AddressOf(key, into, false); }

void MapReader::AddressOf(const std::string& key, std::string& into, bool takes_unix) {
  const std::string wanted = takes_unix ? "host:port, [address]:port or unix:/path" : "host:port or [address]:port";
  const Value* value = Written(key, wanted);
  if (!value) return;
  const bool is_unix = value->text.rfind("unix:", 0) == 0;
  const std::string text = is_unix ? "unix:" + Absolute(value->text.substr(5), directory_) : value->text;
  std::string problem;
  const auto address = ParseAddress(text, problem);
  const bool is_none = !takes_unix && text.empty();
  if (!is_none && (!address || (is_unix && !takes_unix))) {
    Wrong(*value, key, wanted + (problem.empty() ? "" : " (" + problem + ")"));
  } else {
    into = text;
  }
}

void MapReader::Bool(const std::string& key, bool& into) {
  const Value* value = Written(key, "true or false");
  if (!value) return;
  if (value->text != "true" && value->text != "false") return Wrong(*value, key, "true or false");
  into = value->text == "true";
}

void MapReader::Count(const std::string& key, std::int64_t& into, std::int64_t least, std::int64_t most) {
  const std::string wanted = "a whole number" + Range(std::to_string(least), std::to_string(most));
  const Value* value = Written(key, wanted);
  if (!value) return;
  std::int64_t number = 0;
  const char* end = value->text.data() + value->text.size();
  const auto [stop, error] = std::from_chars(value->text.data(), end, number);
  if (error != std::errc() || stop != end || number < least || number > most) return Wrong(*value, key, wanted);
  into = number;
}

void MapReader::Size(const std::string& key, std::int64_t& into, std::int64_t least, std::int64_t most) {
  const std::string wanted =
      "a size such as 64KiB, 1MiB or a number of bytes," + Range(FormatSize(least), FormatSize(most));
  const Value* value = Written(key, wanted);
  if (!value) return;
  const auto size = ParseSize(value->text);
  if (!size || *size < least || *size > most) return Wrong(*value, key, wanted);
  into = *size;
}

void MapReader::Duration(const std::string& key, std::chrono::milliseconds& into, std::chrono::milliseconds least,
                         std::chrono::milliseconds most) {
  const std::string wanted =
      "a duration such as 250ms, 25s, 30m or 24h," + Range(FormatDuration(least), FormatDuration(most));
  const Value* value = Written(key, wanted);
  if (!value) return;
  const auto duration = ParseDuration(value->text);
  if (!duration || *duration < least || *duration > most) return Wrong(*value, key, wanted);
  into = *duration;
}

void MapReader::Word(const std::string& key, std::string& into, const std::vector<std::string>& words) {
  std::string wanted;
  for (const auto& word : words) wanted += (wanted.empty() ? "" : word == words.back() ? " or " : ", ") + word;
  const Value* value = Written(key, wanted);
  if (!value) return;
  if (std::find(words.begin(), words.end(), value->text) == words.end()) return Wrong(*value, key, wanted);
  into = value->text;
}

void MapReader::Texts(const std::string& key, std::vector<std::string>& into) {
  const Value* value = Get(key);
  if (!value) return;
  const bool is_list = value->kind == Value::Kind::kList;
  into.clear();
  for (std::size_t i = 0; i < (is_list ? value->list.size() : 1); ++i) {
    const Value& one = is_list ? value->list[i] : *value;
    if (one.kind == Value::Kind::kScalar && !one.is_secret)
      into.push_back(one.text);
    else
      Wrong(one, key, "a text or a list of texts, written out");
  }
}

}  // namespace sgw::core
