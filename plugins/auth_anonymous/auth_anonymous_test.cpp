#include "auth_anonymous.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

using namespace sgw::testing;
using sgw::plugins::Anonymous;
using sgw::plugins::AnonymousSettings;

namespace {

PluginSource Source() { return Linked<Anonymous, AnonymousSettings>(); }

}  // namespace

TEST_CASE("everybody has the configured subject") {
  TestHost host;
  PluginUnderTest auth(host, Source(), R"({"subject": "guest"})");
  const auto answer = auth.Authenticate(CallFrom("alice")).now();
  REQUIRE(answer.get<sgw::Identity>());
  CHECK(answer.get<sgw::Identity>()->subject == "guest");
}

TEST_CASE("without a subject the client's word is taken, with the default for one that says nothing") {
  TestHost host;
  PluginUnderTest auth(host, Source(), R"({"default_subject": "nobody"})");
  const auto answer = auth.Authenticate(CallFrom("alice")).now();
  REQUIRE(answer.get<sgw::AsClaimed>());
  CHECK(answer.get<sgw::AsClaimed>()->default_subject == "nobody");
}
