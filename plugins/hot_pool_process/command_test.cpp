#include "command.h"

#include <doctest/doctest.h>

using namespace sgw;
using namespace sgw::plugins;

TEST_CASE("placeholders are replaced once, and other braces stay") {
  const Route route{.namespace_ = "{id}", .service_class = "big", .attributes = {{"size", "m"}}};
  const Placeholders values{.route = route, .id = "s-1", .port = "15002"};
  CHECK(*Expand("{namespace}/{class}/{id}:{port}", values) == "{id}/big/s-1:15002");
  CHECK(*Expand("{attribute:size} {attribute:cores=2}", values) == "m 2");
  CHECK(*Expand(R"({"a": {"b": {id}}} {)", values) == R"({"a": {"b": s-1}} {)");
  CHECK(Expand("{attribute:cores}", values).status().code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("a value with a zero byte makes no command") {
  const Route route{.namespace_ = std::string("a\0b", 3)};
  CHECK(Expand("{namespace}", {.route = route}).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("the address is found in a line of output") {
  constexpr auto kPattern = "started at: {address}";
  CHECK(FindAddress("26/01/02 INFO X: started at: 127.0.0.1:39053", kPattern) == "127.0.0.1:39053");
  CHECK(FindAddress("started at: 0.0.0.0:1 (all)", kPattern) == "127.0.0.1:1");
  CHECK(FindAddress("started at: [::]:1", kPattern) == "[::1]:1");
  CHECK(FindAddress("started at: [0:0:0:0:0:0:0:0]:1", kPattern) == "[::1]:1");
  CHECK(FindAddress("at <h:1>, pid 7", "at <{address}>") == "h:1");
  CHECK_FALSE(FindAddress("at <h:1", "at <{address}>"));
  CHECK_FALSE(FindAddress("started at: nowhere", kPattern));
  CHECK_FALSE(FindAddress("something else", kPattern));
}

TEST_CASE("a token is 256 bits that nobody has seen before") {
  const Secret token = MakeToken();
  CHECK(token.Reveal().size() == 64);
  CHECK(token.Reveal().find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(token != MakeToken());
}

TEST_CASE("a line is shown without the secret, however often it stands there") {
  const Secret secret("abc");
  CHECK(WithoutSecret("abc=abcabcab", secret) == "<secret>=<secret><secret>ab");
  CHECK(WithoutSecret("abc", Secret()) == "abc");
}

TEST_CASE("a free port is free") { CHECK(FindFreePort() > 0); }
