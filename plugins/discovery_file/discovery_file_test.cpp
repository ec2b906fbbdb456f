#include "discovery_file.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <filesystem>
#include <fstream>

using namespace sgw::testing;
using sgw::plugins::File;
using sgw::plugins::FileSettings;

namespace {

struct ServerFile {
  void Write(const std::string& text) const { std::ofstream(path) << text; }
  std::string settings() const { return R"({"path": ")" + path + R"("})"; }
  const TempDir folder;
  const std::string path = folder.path() + "/servers.yaml";
};

sgw::Result<sgw::plugins::ServerTable> ReadServers(const std::string& text) {
  return sgw::plugins::ReadServers(text, [](const std::string& path) -> sgw::Result<sgw::Secret> {
    if (path == "nowhere") return sgw::FailedPrecondition("cannot read nowhere");
    return sgw::Secret("from " + path);
  });
}

std::string FirstOf(PluginUnderTest& discovery, const char* name_space) {
  const auto answer = discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{.namespace_ = name_space})).now();
  const auto* endpoints = answer.get<std::vector<sgw::Endpoint>>();
  return endpoints && !endpoints->empty() ? endpoints->front().address : "";
}

}  // namespace

TEST_CASE("a changed file is taken up, and a broken one keeps the last good servers") {
  ServerFile file;
  file.Write("a: [h:1]\n");
  TestHost host;
  PluginUnderTest discovery(host, Linked<File, FileSettings>(), file.settings());
  REQUIRE(discovery.Start().Wait().ok());
  CHECK(FirstOf(discovery, "a") == "h:1");

  file.Write("a: [{address: h:2, incarnation: x, weight: 3}]\n");
  host.ChangeFile(file.path);
  host.RunPending();
  CHECK(FirstOf(discovery, "a") == "h:2");

  file.Write("a: [\n");
  host.ChangeFile(file.path);
  host.RunPending();
  host.ChangeFile(file.path);
  host.RunPending();
  CHECK(FirstOf(discovery, "a") == "h:2");
  CHECK(host.Logged("the servers that were read before stay"));
  CHECK(host.Metric("spark_gateway_discovery_file_failures_total") == 2);
}

TEST_CASE(
    "another incarnation at an address says that the earlier server is gone; an address that is left out does not") {
  ServerFile file;
  file.Write("a: [{address: h:1, incarnation: x}, {address: h:2, incarnation: y}, h:3]\n");
  TestHost host;
  PluginUnderTest discovery(host, Linked<File, FileSettings>(), file.settings());
  REQUIRE(discovery.Start().Wait().ok());
  file.Write("a: [{address: h:1, incarnation: z}, {address: h:3, incarnation: w}]\n");
  host.ChangeFile(file.path);
  host.RunPending();
  REQUIRE(host.gone_endpoints().size() == 1);
  CHECK(host.gone_endpoints()[0].second == "another server has its address");
  CHECK(host.gone_endpoints()[0].first.find("h:1") == 0);
}

TEST_CASE("a file that breaks is said once, and its cure too") {
  ServerFile file;
  file.Write("a: [h:1]\n");
  TestHost host;
  PluginUnderTest discovery(host, Linked<File, FileSettings>(), file.settings());
  REQUIRE(discovery.Start().Wait().ok());
  std::filesystem::remove(file.path);
  for (int i = 0; i < 3; ++i) {
    host.ChangeFile(file.path);
    host.RunPending();
  }
  CHECK(host.Logged("cannot read") == 1);
  CHECK(FirstOf(discovery, "a") == "h:1");
  file.Write("a: [h:2]\n");
  host.ChangeFile(file.path);
  host.RunPending();
  CHECK(FirstOf(discovery, "a") == "h:2");
  CHECK(host.Logged("read the servers of 1 namespaces") == 1);
}

TEST_CASE("a file that is not there or has a mistake is said when the instance is made") {
  const auto created = [](const std::string& path) {
    TestHost host;
    return std::string(
        PluginUnderTest(host, Linked<File, FileSettings>(), R"({"path": ")" + path + R"("})").created().message());
  };
  CHECK(created("/nowhere/servers.yaml") == "path: cannot read /nowhere/servers.yaml: No such file or directory");
  CHECK(created("/") == "path: cannot read /: Is a directory");
  ServerFile file;
  file.Write("a: h:1\n");
  CHECK(created(file.path) == "path: " + file.path + ": line 1: 'a' must have a list of servers");
}

TEST_CASE("a server says whether it is reached by TLS, and by which name; otherwise the gateway's configuration does") {
  const auto table =
      ReadServers("a: [h:1, {address: h:2, tls: true, server_name: x.acme.com}, {address: h:3, tls: off}]\n");
  REQUIRE(table);
  const std::vector<sgw::Endpoint>& servers = table->at("a");
  CHECK(servers[0].tls == sgw::Tls::kConfigured);
  CHECK(servers[1].tls == sgw::Tls::kOn);
  CHECK(servers[1].server_name == "x.acme.com");
  CHECK(servers[2].tls == sgw::Tls::kOff);
  CHECK(ReadServers("a: [{address: h:1, tls: perhaps}]\n").status().message().find("line 1: ") == 0);
}

TEST_CASE("a server's token is in a file of its own, which is taken up anew when it changes") {
  ServerFile file;
  const std::string secret = file.folder.path() + "/token";
  const auto write_token = [&](const std::string& text) { std::ofstream(secret) << text; };
  TestHost host;
  write_token("t1\n");
  file.Write("a: [{address: h:1, token_file: " + secret + "}, h:2]\n");
  PluginUnderTest discovery(host, Linked<File, FileSettings>(), file.settings());
  REQUIRE(discovery.Start().Wait().ok());
  const auto token = [&](std::size_t which) {
    const auto answer = discovery.Resolve(CallFrom("alice").RoutedTo(sgw::Route{.namespace_ = "a"})).now();
    return answer.get<std::vector<sgw::Endpoint>>()->at(which).token;
  };
  const auto change = [&](const std::string& path) {
    host.ChangeFile(path);
    host.RunPending();
  };
  CHECK(token(0) == sgw::Secret("t1"));
  CHECK(token(1).empty());

  write_token("t2\n");
  change(secret);
  CHECK(token(0) == sgw::Secret("t2"));
  write_token("two words\n");
  change(secret);
  CHECK(token(0) == sgw::Secret("t2"));
  CHECK(host.Logged("line 1: " + secret + " has no token: one line without blanks") == 1);
  CHECK(host.Logged("two words") == 0);
  write_token("t3");
  change(secret);
  CHECK(token(0) == sgw::Secret("t3"));

  // One that was not there is taken up when it comes.
  file.Write("a: [{address: h:1, token_file: " + secret + ".new}, h:2]\n");
  change(file.path);
  CHECK(token(0) == sgw::Secret("t3"));
  std::ofstream(secret + ".new") << "t4";
  change(secret + ".new");
  CHECK(token(0) == sgw::Secret("t4"));
  CHECK(discovery.Describe().find("t4") == std::string::npos);
}

TEST_CASE("each mistake in the file is said with its line") {
  const auto said = [](const std::string& text) { return ReadServers(text).status().message(); };
  CHECK(said("- a\n").find("line 1: the file is a map") == 0);
  CHECK(said("a: h:1\n").find("line 1: 'a' must have a list") == 0);
  CHECK(said("a: [h]\n").find("'h' is not host:port") != std::string::npos);
  CHECK(said("a:\n- {address: h:1,\n   address: h:2}\n") == "line 3: 'address' stands here a second time");
  CHECK(said("a: [h:1]\n---\nb: [h:2]\n") == "line 1: the file has more than one document");
  CHECK(said("a: [h:1]\n---\n,b\n") == "line 1: the file has more than one document");
  CHECK(said("---\na: [h:1]\n...\n") == "");
  for (const std::string weight : {"0", "-1", "4294967296", "x", "[]"})
    CHECK(said("a: [{address: h:1, weight: " + weight + "}]\n") == "line 1: weight must be a whole number from 1 on");
  CHECK(said("a:\n- {adress: h:1}\n").find("line 2: there is no 'adress'") == 0);
  CHECK(said("a:\n- {address: h:1,\n   token_file: nowhere}\n") == "line 3: cannot read nowhere");
}
