#include <doctest/doctest.h>
#include <sgw/delegation.h>
#include <sgw/testing.h>

using namespace sgw;
using namespace sgw::testing;

namespace {

const std::vector<Delegation> kRules = {
    {.services = {"playground"}, .groups = {"playground"}},
    {.services = {"scheduler", "etl"}, .groups = {"jobs"}},
    {.services = {"proxy"}, .header = "x-other", .groups = {"all"}},
};

Result<Identity> Acted(const std::string& caller, const FakeCall& call) {
  return call.Use([&](const sgw_call& raw) {
    return Acting(kRules, Call(raw))
        .Apply({.subject = caller, .user_name = "name", .groups = {"own"}, .claims = {{"email", "x"}}});
  });
}

}  // namespace

TEST_CASE("a service acts for the person that its header names, with the groups of its rule alone") {
  const auto identity = Acted("playground", AnyCall().Header("x-spark-act-for", "alice"));
  REQUIRE(identity);
  CHECK(identity->subject == "alice");
  CHECK(identity->actor == "playground");
  CHECK(identity->groups == std::vector<std::string>{"playground"});
  CHECK(identity->claims.empty());
  CHECK(identity->made_from == std::vector<std::string>{"x-spark-act-for", "x-spark-act-for", "x-other"});
  CHECK(Acted("etl", AnyCall().Header("x-spark-act-for", "alice"))->groups == std::vector<std::string>{"jobs"});
}

TEST_CASE("who names nobody is themselves, and the answer still depends on the header") {
  const auto identity = Acted("playground", AnyCall());
  REQUIRE(identity);
  CHECK(identity->subject == "playground");
  CHECK(identity->actor.empty());
  CHECK(identity->groups == std::vector<std::string>{"own"});
  CHECK(identity->made_from.size() == 3);
}

TEST_CASE("who is no service of the header's rule may not act for others") {
  CHECK(Acted("mallory", AnyCall().Header("x-spark-act-for", "alice")).status().code() ==
        StatusCode::kPermissionDenied);
  CHECK(Acted("proxy", AnyCall().Header("x-spark-act-for", "alice")).status().code() == StatusCode::kPermissionDenied);
  CHECK(Acted("playground", AnyCall().Header("x-other", "alice")).status().code() == StatusCode::kPermissionDenied);
  // Nor does the right header carry a wrong one along.
  CHECK_FALSE(Acted("proxy", AnyCall().Header("x-other", "alice").Header("x-spark-act-for", "bob")));
}

TEST_CASE("a header that names nobody, or several, is refused") {
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(257, 'a')}) {
    CHECK(Acted("playground", AnyCall().Header("x-spark-act-for", name)).status().code() ==
          StatusCode::kInvalidArgument);
  }
  const auto twice = AnyCall().Header("x-spark-act-for", "alice").Header("x-spark-act-for", "bob");
  CHECK(Acted("playground", twice).status().code() == StatusCode::kInvalidArgument);
}
