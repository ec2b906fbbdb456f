#include <doctest/doctest.h>
#include <sgw/delegation.h>
#include <sgw/testing.h>

using namespace sgw;
using namespace sgw::testing;

namespace {

const std::vector<Delegation> kServices = {
    {.services = {"playground"}, .groups = {"playground"}},
    {.services = {"scheduler", "etl"}, .groups = {"jobs"}},
    {.services = {"proxy"}, .header = "x-other", .groups = {"all"}},
    {.services = {"portal"}, .people = {"*@acme.com", "root"}, .groups = {"staff"}},
    {.services = {"portal"}, .people = {"*@partner.com"}, .groups = {"guests"}},
    {.services = {"portal"}, .header = "x-other", .people = {"*@acme.com"}, .groups = {"others"}},
};

Result<Identity> Acted(const std::string& caller, const FakeCall& call) {
  return call.Use([&](const sgw_call& raw) {
    return Acting(kServices, Call(raw))
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
  CHECK(identity->made_from.size() == kServices.size());
  CHECK(identity->made_from[2] == "x-other");
  CHECK(Acted("etl", AnyCall().Header("x-spark-act-for", "alice"))->groups == std::vector<std::string>{"jobs"});
}

TEST_CASE("who names nobody is themselves, and the answer still depends on the header") {
  const auto identity = Acted("playground", AnyCall());
  REQUIRE(identity);
  CHECK(identity->subject == "playground");
  CHECK(identity->actor.empty());
  CHECK(identity->groups == std::vector<std::string>{"own"});
  CHECK(identity->made_from.size() == kServices.size());
}

TEST_CASE("who is no service of the header's rule may not act for others") {
  CHECK(Acted("mallory", AnyCall().Header("x-spark-act-for", "alice")).status().code() ==
        StatusCode::kPermissionDenied);
  CHECK(Acted("proxy", AnyCall().Header("x-spark-act-for", "alice")).status().code() == StatusCode::kPermissionDenied);
  CHECK(Acted("playground", AnyCall().Header("x-other", "alice")).status().code() == StatusCode::kPermissionDenied);
  // Nor does the right header carry a wrong one along.
  CHECK_FALSE(Acted("proxy", AnyCall().Header("x-other", "alice").Header("x-spark-act-for", "bob")));
}

TEST_CASE("a service may act for the people of its rules alone, and has the groups of the first one that fits") {
  const auto groups = [](const std::string& person) {
    const auto identity = Acted("portal", AnyCall().Header("x-spark-act-for", person));
    return identity ? identity->groups : std::vector<std::string>{identity.status().message()};
  };
  using Groups = std::vector<std::string>;
  CHECK(groups("alice@acme.com") == Groups{"staff"});
  CHECK(groups("root") == Groups{"staff"});
  CHECK(groups("bob@partner.com") == Groups{"guests"});
  for (const char* other : {"ci", "alice@acme.com.evil", "roots", "*@acme.com@x", "Root"}) {
    CHECK(groups(other) == Groups{"You may not act for this person (header 'x-spark-act-for')."});
  }
  // Whom one header may name, the other may not.
  CHECK(Acted("portal", AnyCall().Header("x-other", "bob@partner.com")).status().code() ==
        StatusCode::kPermissionDenied);
}

TEST_CASE("a header that names nobody, or several, is refused") {
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(257, 'a')}) {
    CHECK(Acted("playground", AnyCall().Header("x-spark-act-for", name)).status().code() ==
          StatusCode::kInvalidArgument);
  }
  const auto twice = AnyCall().Header("x-spark-act-for", "alice").Header("x-spark-act-for", "bob");
  CHECK(Acted("playground", twice).status().code() == StatusCode::kInvalidArgument);
  const auto two_headers = AnyCall().Header("x-spark-act-for", "a@acme.com").Header("x-other", "b@acme.com");
  CHECK(Acted("portal", two_headers).status().code() == StatusCode::kInvalidArgument);
}
