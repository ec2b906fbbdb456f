#include "core/relay/spells.h"

#include <doctest/doctest.h>

namespace sgw::core::testing {
namespace {

using namespace std::chrono_literals;

TEST_CASE("what goes wrong again and again is news when it begins, and again after it has been quiet") {
  Spells spells;
  SteadyTime now(1000h);
  CHECK(spells.Begins("flood", now));
  CHECK(spells.Begins("over_limit", now));
  for (int i = 0; i < 49; ++i) CHECK_FALSE(spells.Begins("flood", now += 1min));
  CHECK_FALSE(spells.Begins("flood", now += Spells::kQuiet));
  CHECK(spells.Begins("flood", now += 1min));  // an hour after it was said
  CHECK_FALSE(spells.Begins("flood", now += 1min));
  CHECK(spells.Begins("over_limit", now));
  CHECK(spells.Begins("flood", now += Spells::kQuiet + 1ms));
}

}  // namespace
}  // namespace sgw::core::testing
