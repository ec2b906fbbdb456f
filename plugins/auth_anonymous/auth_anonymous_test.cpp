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

TEST_CASE("it is made beside a listener that others can reach only when it is told to, and then warns") {
  for (const bool is_remote : {false, true}) {
    for (const bool is_allowed : {false, true}) {
      TestHost host;
      host.set_exposure({.loopback = true, .unix_socket = true, .remote = is_remote});
      PluginUnderTest auth(host, Source(), is_allowed ? R"({"allow_remote": true})" : "{}");
      const sgw::Status& created = auth.created();
      REQUIRE(created.ok() == (!is_remote || is_allowed));
      if (created.ok())
        CHECK(auth.Start().Wait().ok());
      else
        CHECK(created.message().find("allow_remote: true") != std::string::npos);
      CHECK(host.Logged("everybody who can reach the gateway is let in") == (is_remote && is_allowed ? 1U : 0U));
    }
  }
}

TEST_CASE("a default beside everybody's subject could never count, and is refused") {
  TestHost host;
  const PluginUnderTest auth(host, Source(), R"({"subject": "guest", "default_subject": "nobody"})");
  CHECK(auth.created().message().find("default_subject: has no effect beside subject") == 0);
}
