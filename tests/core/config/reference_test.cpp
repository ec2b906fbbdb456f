#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "core/config/sections.h"
#include "core/config/units.h"

using namespace sgw::core;

namespace {

struct Key {
  std::string type;
  std::string standard;  // the default; empty: there is none, and the reference says in words what is then
  std::string bounds;
};
using Keys = std::map<std::string, Key>;

std::string Code(const std::string& text) { return text.empty() ? "" : "`" + text + "`"; }

// Takes the same calls as MapReader, and remembers the keys that the parser knows.
class Collector {
 public:
  Collector(Keys& keys, std::string prefix) : keys_(keys), prefix_(std::move(prefix)) {}

  void Name(const std::string& key, const std::string& text) { Add(key, "text", text); }
  void Path(const std::string& key, const std::string& text) { Add(key, "path", text); }
  void Address(const std::string& key, const std::string& text) { Add(key, "address", text); }
  void TcpAddress(const std::string& key, const std::string& text) { Add(key, "address", text); }
  void Bool(const std::string& key, bool value) { Add(key, "bool", value ? "true" : "false"); }
  void Count(const std::string& key, std::int64_t value, std::int64_t least, std::int64_t most) {
    Add(key, "number", std::to_string(value), Range(std::to_string(least), std::to_string(most)));
  }
  void Size(const std::string& key, std::int64_t value, std::int64_t least, std::int64_t most) {
    Add(key, "size", FormatSize(value), Range(FormatSize(least), FormatSize(most)));
  }
  void Duration(const std::string& key, milliseconds value, milliseconds least, milliseconds most) {
    Add(key, "duration", FormatDuration(value), Range(FormatDuration(least), FormatDuration(most)));
  }
  void Word(const std::string& key, const std::string& word, const std::vector<std::string>& words) {
    std::string all;
    for (const std::string& one : words) all += (all.empty() ? "" : ", ") + Code(one);
    Add(key, "word", word, all);
  }
  template <typename Visit>
  void Section(const std::string& key, const Visit& visit) {
    Collector collector(keys_, prefix_ + key + ".");
    visit(collector);
  }

 private:
  static std::string Range(const std::string& least, const std::string& most) {
    return Code(least) + " to " + Code(most);
  }
  void Add(const std::string& key, const std::string& type, const std::string& standard,
           const std::string& bounds = "") {
    keys_[prefix_ + key] = {type, standard, bounds};
  }

  Keys& keys_;
  const std::string prefix_;
};

Keys KnownKeys() {
  Keys keys;
  const Config config;
  Collector root(keys, "");
  VisitSections(config, root);
  const ListenerConfig listener;
  Collector listeners(keys, "listeners[].");
  VisitListener(listener, listeners);
  Collector steps(keys, "pipeline[].");
  StepConfig step;
  step.kind = StepKind::kHotPool;
  for (const bool create : {true, false}) {  // The one has all keys, the other all defaults.
    step.create = create;
    VisitStep(step, steps);
  }
  return keys;
}

// The cells of a table's line, without their margins.
std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) {
    const auto begin = cell.find_first_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
  }
  return cells;
}

// The tables of keys in the reference: key to the cells after it.
std::map<std::string, std::vector<std::string>> WrittenKeys() {
  std::map<std::string, std::vector<std::string>> rows;
  std::ifstream file(SGW_REFERENCE);
  bool is_keys = false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() != '|') {
      is_keys = false;
      continue;
    }
    auto cells = Cells(line);
    if (cells[0] == "key") {
      CHECK(cells == std::vector<std::string>{"key", "type", "default", "bounds", "meaning"});
      is_keys = true;
    } else if (is_keys && cells[0].rfind("---", 0) != 0) {
      REQUIRE_MESSAGE(cells.size() == 5, line);
      const std::string key = cells[0].substr(1, cells[0].size() - 2);
      CHECK_MESSAGE(rows.count(key) == 0, key);
      rows[key] = cells;
    }
  }
  return rows;
}

}  // namespace

TEST_CASE("the reference has every key that the parser knows, with its type, default and bounds, and no other") {
  const auto written = WrittenKeys();
  const auto known = KnownKeys();
  CHECK(known.size() > 30);
  for (const auto& one : written) CHECK_MESSAGE(known.count(one.first) == 1, one.first);
  for (const auto& one : known) {
    const auto& [key, is] = one;
    CAPTURE(one.first);
    const auto found = written.find(key);
    REQUIRE(found != written.end());
    const std::vector<std::string>& row = found->second;
    CHECK(row[1] == is.type);
    if (is.standard.empty())
      CHECK((!row[2].empty() && row[2].front() != '`'));
    else
      CHECK(row[2] == Code(is.standard));
    CHECK(row[3] == is.bounds);
    CHECK_FALSE(row[4].empty());
  }
}
