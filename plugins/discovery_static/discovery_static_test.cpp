#include "discovery_static.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

using namespace sgw::testing;
using sgw::plugins::Static;
using sgw::plugins::StaticSettings;

namespace {

PluginSource Source() { return Linked<Static, StaticSettings>(); }

}  // namespace

TEST_CASE("a namespace has its servers, and an unknown one is somebody else's") {
  TestHost host;
  PluginUnderTest discovery(host, Source(), R"({"namespaces": {"a": ["h:1", "h:2"], "b": []}})");
  const auto answer = discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{.namespace_ = "a"})).now();
  const auto* endpoints = answer.get<std::vector<sgw::Endpoint>>();
  REQUIRE(endpoints);
  REQUIRE(endpoints->size() == 2);
  CHECK(endpoints->at(1).address == "h:2");
  CHECK(discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{.namespace_ = "b"}))
            .now()
            .get<std::vector<sgw::Endpoint>>());
  CHECK(discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{.namespace_ = "c"})).now().is_next());
  CHECK(discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{})).now().is_next());  // which of the two?
}

TEST_CASE("without a router the only namespace answers") {
  TestHost host;
  PluginUnderTest discovery(host, Source(), R"({"namespaces": {"a": ["h:1"]}})");
  CHECK(discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{})).now().get<std::vector<sgw::Endpoint>>());
}

TEST_CASE("an address that nobody can connect to is refused") {
  const auto created = [](const std::string& address) {
    TestHost host;
    const PluginUnderTest discovery(host, Source(), R"({"namespaces": {"a": [")" + address + R"("]}})");
    return std::string(discovery.created().message());
  };
  for (const char* good : {"localhost:1", "10.2.3.4:65535", "[::1]:15002", "unix:/run/x.sock", "a-b.example.com:80"}) {
    CHECK_MESSAGE(created(good).empty(), good);
  }
  for (const char* bad : {"localhost", "localhost:", ":15002", "h:0", "h:65536", "h:http", "h:-1", "::1:15002", "[]:1",
                          "[::1]", "unix:", "http://h:80", "h h:1"}) {
    CHECK_MESSAGE(created(bad).find("' is not host:port") != std::string::npos, bad, " gives ", created(bad));
  }
}
