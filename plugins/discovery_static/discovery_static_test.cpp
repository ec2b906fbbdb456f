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

TEST_CASE("a server has its token and the way it is reached, and its neighbour does not") {
  TestHost host;
  PluginUnderTest discovery(host, Source(), R"({"namespaces": {"a": ["h:1", "unix:/run/a~b"]}, "servers": {
      "h:1": {"token": "t1", "tls": true, "server_name": "x.acme.com"}, "unix:/run/a~b": {"token": "t2"}}})");
  REQUIRE(discovery.Start().Wait().ok());
  const auto endpoints = [&] {
    const auto answer = discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{.namespace_ = "a"})).now();
    REQUIRE(answer.get<std::vector<sgw::Endpoint>>());
    return *answer.get<std::vector<sgw::Endpoint>>();
  };
  CHECK(endpoints()[0].token == sgw::Secret("t1"));
  CHECK(endpoints()[0].tls == sgw::Tls::kOn);
  CHECK(endpoints()[0].server_name == "x.acme.com");
  CHECK(endpoints()[1].token == sgw::Secret("t2"));
  CHECK(endpoints()[1].tls == sgw::Tls::kConfigured);

  // What its reference leads to changes: the next session's server is given the new one.
  CHECK(host.ChangeSecret("/servers/unix:~1run~1a~0b/token", "t3") == 1);
  CHECK(endpoints()[0].token == sgw::Secret("t1"));
  CHECK(endpoints()[1].token == sgw::Secret("t3"));
  CHECK(host.ChangeSecret("/servers/h:1/token", "two\nlines") == 1);
  CHECK(endpoints()[0].token == sgw::Secret("t1"));
  CHECK(host.Logged("the one before stays") == 1);
  CHECK(discovery.Describe().find("t3") == std::string::npos);
}

TEST_CASE("a server that no namespace has, and a token that cannot be sent, are refused") {
  const auto created = [](const std::string& servers) {
    TestHost host;
    const PluginUnderTest discovery(host, Source(), R"({"namespaces": {"a": ["h:1"]}, "servers": )" + servers + "}");
    return std::string(discovery.created().message());
  };
  CHECK(created(R"({"h:1": {"token": "abc-._~+/="}})").empty());
  CHECK(created(R"({"h:2": {"tls": true}})") == "servers.h:2: no namespace has this address");
  const std::string refused = created(R"({"h:1": {"token": "hunter 2"}})");
  CHECK(refused.find("servers.h:1: token: has a character") == 0);
  CHECK(refused.find("hunter") == std::string::npos);
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
