#include <doctest/doctest.h>
#include <sgw/cache.h>

#include <optional>
#include <string>
#include <vector>

using namespace sgw;

namespace {

using Names = Cache<std::string, int>;
const MonotonicTime kNow{std::chrono::hours(1)};

}  // namespace

TEST_CASE("an entry ends at its time and the least recently used one makes room") {
  Names cache(2);
  cache.Put("a", 1, kNow + 10s);
  cache.Put("b", 2, kNow + 20s);
  CHECK(cache.Find("a", kNow) == 1);
  cache.Put("c", 3, kNow + 20s);
  CHECK_FALSE(cache.Find("b", kNow));
  CHECK(cache.Find("a", kNow) == 1);
  CHECK_FALSE(cache.Find("a", kNow + 10s));
  CHECK(cache.size() == 1);
  cache.Remove("c");
  CHECK(cache.size() == 0);
}

TEST_CASE("many who ask for one key wait for one load") {
  Names cache(8);
  std::vector<Names::Loaded> loads;
  std::vector<Result<int>> told;
  const auto fetch = [&] {
    cache.Fetch(
        "a", kNow, [&](Result<int> value) { told.push_back(std::move(value)); },
        [&](const Names::Loaded& loaded) { loads.push_back(loaded); });
  };
  fetch();
  fetch();
  REQUIRE(loads.size() == 1);
  CHECK(told.empty());

  loads[0](Names::Fresh{7, kNow + 1s});
  REQUIRE(told.size() == 2);
  CHECK(*told[0] == 7);
  fetch();
  CHECK(loads.size() == 1);
  CHECK(*told[2] == 7);
}

TEST_CASE("a failed load is told and not remembered, also when it was forgotten") {
  Names cache(8);
  std::vector<Status> told;
  const auto fetch = [&](const std::function<void(Names::Loaded)>& load) {
    cache.Fetch(
        "a", kNow, [&](const Result<int>& value) { told.push_back(value.status()); }, load);
  };
  fetch([](const Names::Loaded& loaded) { loaded(Unavailable("down")); });
  fetch([](const Names::Loaded&) {});
  REQUIRE(told.size() == 2);
  CHECK(told[0].code() == StatusCode::kUnavailable);
  CHECK(told[1].code() == StatusCode::kInternal);
}

TEST_CASE("more loads than entries are refused, and a load may outlive the cache") {
  std::vector<Status> told;
  std::vector<Names::Loaded> loads;
  {
    Names cache(1);
    for (const char* key : {"a", "b"}) {
      cache.Fetch(
          key, kNow, [&](const Result<int>& value) { told.push_back(value.status()); },
          [&](const Names::Loaded& loaded) { loads.push_back(loaded); });
    }
  }
  REQUIRE(told.size() == 1);
  CHECK(told[0].code() == StatusCode::kUnavailable);
  loads.at(0)(Names::Fresh{1, kNow + 1s});
  CHECK(told.back().ok());
}
