// MapReader: takes the known keys out of a map and complains about the rest. For sources of this room.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "core/config/complaints.h"

namespace sgw::core {

class MapReader {
 public:
  // `where` names the map in complaints: "limits". A null value reads like an empty map. Relative paths start at
  // `directory`.
  MapReader(const Value& map, std::string where, const std::string& directory, Complaints& complaints);
  // Complains about keys that nobody asked for.
  ~MapReader();
  MapReader(const MapReader&) = delete;
  MapReader& operator=(const MapReader&) = delete;

  // Each leaves `into` as it was when the key is missing or wrong. No text may be a secret: all of them are shown in
  // complaints and records.
  void Name(const std::string& key, std::string& into);
  // Made absolute.
  void Path(const std::string& key, std::string& into);
  // host:port, [address]:port or unix:/path, the path made absolute.
  void Address(const std::string& key, std::string& into);
  // host:port or [address]:port, or empty.
  void TcpAddress(const std::string& key, std::string& into);
  void Bool(const std::string& key, bool& into);
  void Count(const std::string& key, std::int64_t& into, std::int64_t least, std::int64_t most);
  void Size(const std::string& key, std::int64_t& into, std::int64_t least, std::int64_t most);
  void Duration(const std::string& key, std::chrono::milliseconds& into, std::chrono::milliseconds least,
                std::chrono::milliseconds most);
  void Word(const std::string& key, std::string& into, const std::vector<std::string>& words);
  // Text, or a list of texts.
  void Texts(const std::string& key, std::vector<std::string>& into);
  // The keys of a map within this one.
  template <typename Keys>
  void Section(const std::string& key, const Keys& keys) {
    const Value* value = Get(key);
    MapReader reader(value ? *value : kNothing, Where(key), directory_, complaints_);
    keys(reader);
  }

  // The value itself; null when missing. Counts as asked for.
  const Value* Get(const std::string& key);
  std::string Where(const std::string& key) const { return where_.empty() ? key : where_ + "." + key; }
  void Wrong(const Value& value, const std::string& key, const std::string& wanted);

 private:
  static const Value kNothing;
  // The scalar that is written out at the key; null, after a complaint, for anything else.
  const Value* Written(const std::string& key, const std::string& wanted);
  void AddressOf(const std::string& key, std::string& into, bool takes_unix);

  const Value& map_;
  const std::string where_;
  const std::string& directory_;
  Complaints& complaints_;
  std::vector<std::string> known_;
};

}  // namespace sgw::core
