#include <doctest/doctest.h>
#include <sgw/pattern.h>

using namespace sgw;

TEST_CASE("a pattern matches whole names, and each star any text") {
  static_assert(MatchesPattern("abc", "abc"));
  for (const char* pattern : {"*", "a*", "*c", "a*c", "*b*", "abc*", "a**c"}) CHECK(MatchesPattern("abc", pattern));
  for (const char* pattern : {"", "ab", "bc", "a*d", "ABC", "*abcd"}) CHECK_FALSE(MatchesPattern("abc", pattern));
  CHECK(MatchesPattern("", "*"));
  CHECK(MatchesPattern("", ""));
  CHECK(MatchesPattern("abbbc", "a*b*c"));
}

TEST_CASE("no pattern is slow") {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "a*";
  CHECK_FALSE(MatchesPattern(std::string(250, 'a'), pattern + "b"));
}
