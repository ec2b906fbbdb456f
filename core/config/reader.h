// MapReader: takes the known keys out of a map and complains about the rest. For sources of this room.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/config/complaints.h"

namespace sgw::core {

class MapReader {
 public:
  // `where` names the map in complaints: "limits". A null value reads like an empty map.
  MapReader(const Value& map, std::string where, Complaints& complaints);
  // Complains about keys that nobody asked for.
  ~MapReader();
  MapReader(const MapReader&) = delete;
  MapReader& operator=(const MapReader&) = delete;

  // Each leaves `into` as it was when the key is missing or wrong.
  void Text(const std::string& key, std::string& into);
  // Text that is shown in complaints and records, so that it cannot be a secret.
  void Name(const std::string& key, std::string& into);
  void Bool(const std::string& key, bool& into);
  void Count(const std::string& key, std::int64_t& into, std::int64_t least = 1);
  void Size(const std::string& key, std::int64_t& into);
  void Duration(const std::string& key, std::chrono::milliseconds& into);
  // One of the words; `into` gets its place among them.
  void Choice(const std::string& key, const std::vector<std::string>& words, int& into);
  // Text, or a list of texts; none of them a secret.
  void Texts(const std::string& key, std::vector<std::string>& into);

  // The value itself; null when missing. Counts as asked for.
  const Value* Get(const std::string& key);
  std::string Path(const std::string& key) const { return where_.empty() ? key : where_ + "." + key; }
  void Wrong(const Value& value, const std::string& key, const std::string& wanted);

 private:
  const Value& map_;
  const std::string where_;
  Complaints& complaints_;
  std::vector<std::string> known_;
};

}  // namespace sgw::core
