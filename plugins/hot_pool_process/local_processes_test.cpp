#include "local_processes.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

using namespace sgw;
using namespace sgw::testing;

namespace {

PluginSource Source() {
  return Linked<WarmPool<plugins::LocalProcesses>, WarmPoolSettings<plugins::LocalProcessesSettings>>();
}

constexpr auto kWarm = R"({"command": ["../bin/true", "--port", "0"], "namespaces": ["ads"]})";
constexpr auto kOnDemand = R"({"command": ["true", "{attribute:size=m}"], "size": 0, "environment": {"ID": "{id}"}})";

std::shared_ptr<FakeChild> Last(const TestHost& host) { return host.children().back(); }

void BecomeReady(TestHost& host, const std::shared_ptr<FakeChild>& child, const std::string& port = "4040") {
  child->Line("26/01/02 INFO SparkConnectServer: Spark Connect server started at: 127.0.0.1:" + port);
  host.RunPending();
}

}  // namespace

TEST_CASE("a server is warm when its line was read and it answers gRPC") {
  TestHost host;
  host.OnProbe([](const Endpoint&) { return Unavailable("not yet"); });
  PluginUnderTest pool(host, Source(), kWarm, "/usr/bin");
  CHECK(pool.Start().Wait().ok());
  host.RunPending();
  REQUIRE(host.children().size() == 1);
  CHECK(Last(host)->argv == std::vector<std::string>{"/usr/bin/../bin/true", "--port", "0"});

  BecomeReady(host, Last(host));
  host.Advance(5s);
  CHECK(pool.Acquire(CallFrom("alice").RoutedTo("ads"), "k").now().is_next());

  host.OnProbe([](const Endpoint&) { return Status(); });
  host.Advance(1s);
  const PoolAnswer answer = pool.Acquire(CallFrom("alice").RoutedTo("ads"), "k").now();
  REQUIRE(answer.get<Lease>());
  CHECK(answer.get<Lease>()->endpoint.address == "127.0.0.1:4040");
  CHECK_FALSE(answer.get<Lease>()->endpoint.incarnation.empty());
  CHECK(answer.get<Lease>()->endpoint.tls == Tls::kOff);
  host.RunPending();
  CHECK(host.children().size() == 2);
  const auto state = Json::Parse(pool.Describe());
  CHECK(state->Integer("/pools/0/servers/0/pid") == host.children()[0]->pid);
}

TEST_CASE("a free port is put into the command, and no line is waited for") {
  TestHost host;
  PluginUnderTest pool(host, Source(), R"({"command": ["true", "--port={port}"], "namespaces": ["ads"]})");
  CHECK(pool.Start().Wait().ok());
  host.Advance(1s);
  const PoolAnswer answer = pool.Acquire(CallFrom("alice").RoutedTo("ads"), "k").now();
  REQUIRE(answer.get<Lease>());
  const std::string address = answer.get<Lease>()->endpoint.address;
  CHECK("--port=" + address.substr(address.find(':') + 1) == host.children()[0]->argv[1]);
}

TEST_CASE("a command that fails tells its last lines to the caller who waits") {
  TestHost host;
  PluginUnderTest pool(host, Source(), kOnDemand);
  CHECK(pool.Start().Wait().ok());
  const auto asked = pool.Acquire(CallFrom("alice").RoutedTo({.attributes = {{"size", "xl"}}}), "k", true);
  host.RunPending();
  const auto child = Last(host);
  CHECK(child->argv[1] == "xl");
  CHECK(child->environment[0].second.starts_with("under-test-"));
  for (int i = 0; i < 12; ++i) child->Line("line " + std::to_string(i));
  child->Exit({.exit_code = 3});
  host.RunPending();

  const Status status = asked.now().status();
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.message().find("'true' ended with exit code 3") != std::string::npos);
  CHECK(status.message().find("line 1\n") == std::string::npos);
  CHECK(status.message().find("line 2\n") != std::string::npos);
  CHECK(status.message().ends_with("line 11"));
}

TEST_CASE("long lines are cut, so that the last ones reach the caller") {
  TestHost host;
  PluginUnderTest pool(host, Source(), kOnDemand);
  CHECK(pool.Start().Wait().ok());
  const auto asked = pool.Acquire(CallFrom("alice").RoutedTo("ads"), "k", true);
  host.RunPending();
  const auto child = Last(host);
  for (int i = 0; i < 9; ++i) child->Line(std::string(8'000, 'x'));
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "\xc3\xa4";
  child->Line("x" + umlauts);
  child->Exit({.exit_code = 3});
  host.RunPending();

  const std::string message(asked.now().status().message());
  CHECK(message.size() < 2'000);
  CHECK(message.ends_with("\xa4..."));
}

TEST_CASE("each server has a token of its own, in its environment and nowhere else") {
  TestHost host;
  PluginUnderTest pool(host, Source(), kOnDemand);
  CHECK(pool.Start().Wait().ok());
  const auto start = [&](const char* who) {
    auto asked = pool.Acquire(CallFrom(who).RoutedTo("ads"), who, true);
    host.RunPending();
    return asked;
  };
  const auto given = [&] {
    const std::string* found = Find(Last(host)->environment, "SPARK_CONNECT_AUTHENTICATE_TOKEN");
    REQUIRE(found);
    return *found;
  };
  const auto first = start("alice");
  const std::string token = given();
  CHECK(token.size() == 64);
  for (const std::string& word : Last(host)->argv) CHECK(word.find(token) == std::string::npos);
  BecomeReady(host, Last(host));
  CHECK(first.now().get<Lease>()->endpoint.token == Secret(token));
  CHECK(pool.Describe().find(token) == std::string::npos);

  const auto second = start("bob");
  CHECK(given() != token);
  Last(host)->Line("token=" + given());
  Last(host)->Exit({.exit_code = 3});
  host.RunPending();
  CHECK(second.now().status().message().ends_with("token=<secret>"));
}

TEST_CASE("the token's variable may have another name, or none") {
  const auto environment = [](const std::string& more) {
    TestHost host;
    PluginUnderTest pool(host, Source(), R"({"command": ["true"], "namespaces": ["ads"], )" + more + "}");
    CHECK(pool.created().message() == "");
    CHECK(pool.Start().Wait().ok());
    host.RunPending();
    return Last(host)->environment;
  };
  CHECK(Find(environment(R"("token_variable": "TOKEN")"), "TOKEN")->size() == 64);
  CHECK(environment(R"("token_variable": "")").empty());
  CHECK(environment(R"("token_variable": "", "environment": {"SPARK_CONNECT_AUTHENTICATE_TOKEN": "x"})").size() == 1);
}

TEST_CASE("a command that cannot be started says why") {
  TestHost host;
  host.FailChildren("no such file");
  PluginUnderTest pool(host, Source(), kOnDemand);
  CHECK(pool.Start().Wait().ok());
  const auto asked = pool.Acquire(CallFrom("alice").RoutedTo("ads"), "k", true);
  CHECK(asked.Wait().status().message().find("could not be started: no such file") != std::string::npos);
}

TEST_CASE("a leased server that is killed is told to the host with the reason") {
  TestHost host;
  PluginUnderTest pool(host, Source(), kOnDemand);
  CHECK(pool.Start().Wait().ok());
  const auto asked = pool.Acquire(CallFrom("alice").RoutedTo("ads"), "k", true);
  host.RunPending();
  BecomeReady(host, Last(host));
  CHECK(asked.phases() ==
        std::vector<std::string>{"starting the server's process", "waiting until the server answers"});
  const std::string lease = asked.now().get<Lease>()->id;

  Last(host)->Exit({.signal = 9});
  CHECK(host.lost_leases() == StringMap{{lease, "killed, perhaps out of memory"}});
  pool.Release(lease, LeaseOutcome::kLost);
}

TEST_CASE("a released server's process is ended, and a start that is given up at the end too") {
  TestHost host;
  PluginUnderTest pool(host, Source(), kOnDemand);
  CHECK(pool.Start().Wait().ok());
  const auto asked = pool.Acquire(CallFrom("alice").RoutedTo("ads"), "k", true);
  host.RunPending();
  BecomeReady(host, Last(host));
  pool.Release(asked.now().get<Lease>()->id, LeaseOutcome::kEnded);
  host.RunPending();
  CHECK(Last(host)->has_exited());
  CHECK(host.lost_leases().empty());

  const auto other = pool.Acquire(CallFrom("bob").RoutedTo("ads"), "l", true);
  host.RunPending();
  CHECK(host.children().size() == 2);
  pool.Destroy();
  CHECK(Last(host)->has_exited());
  CHECK(other.now().status().code() == StatusCode::kUnavailable);
  CHECK(host.live_callbacks() == 0);
}

TEST_CASE("settings without a program or without a way to the address are refused") {
  TestHost host;
  CHECK(PluginUnderTest(host, Source(), R"({"command": []})").created().message().find("command") == 0);
  CHECK(PluginUnderTest(host, Source(), R"({"command": ["true"], "ready_line": "up"})")
            .created()
            .message()
            .find("ready_line") == 0);
  CHECK(PluginUnderTest(host, Source(),
                        R"({"command": ["true"], "environment": {"SPARK_CONNECT_AUTHENTICATE_TOKEN": "t"}})")
            .created()
            .message()
            .find("environment.SPARK_CONNECT_AUTHENTICATE_TOKEN: the gateway makes it") == 0);
  CHECK(PluginUnderTest(host, Source(), R"({"command": ["true"], "size": 2, "max_size": 1})").created().message() ==
        "max_size: is at least 1, and at least size");
  CHECK(PluginUnderTest(host, Source(), R"({"command": ["true"], "max_size": 10001})").created().message() ==
        "max_size: is at most 10000");
  CHECK(PluginUnderTest(host, Source(), R"({"command": ["true"], "token_variable": "a=b"})")
            .created()
            .message()
            .find("token_variable") == 0);
}

TEST_CASE("a program or a folder that is not there is refused, and nothing is made") {
  const TempDir dir;
  const auto refusal = [&dir](const std::string& settings) {
    TestHost host;
    return PluginUnderTest(host, Source(), settings, dir.path()).created().message();
  };
  CHECK(refusal(R"({"command": ["no-such-program"]})") == "command[0]: there is no program 'no-such-program'");
  CHECK(refusal(R"({"command": ["./server"]})") == "command[0]: there is no program '" + dir.path() + "/./server'");
  dir.Write("server", "not executable");
  CHECK(refusal(R"({"command": ["./server"]})") == "command[0]: there is no program '" + dir.path() + "/./server'");
  std::filesystem::permissions(dir.path() + "/server", std::filesystem::perms::owner_all);
  CHECK(refusal(R"({"command": ["./server"]})") == "");
  CHECK(refusal(R"({"command": ["server"]})") == "command[0]: there is no program 'server'");
  CHECK(refusal(R"({"command": ["server"], "environment": {"PATH": "/nowhere:)" + dir.path() + R"("}})") == "");
  CHECK(refusal(R"({"command": ["{attribute:program}"]})") == "");
  CHECK(refusal(R"({"command": ["true"], "working_directory": "none"})") ==
        "working_directory: there is no folder '" + dir.path() + "/none'");
  CHECK(refusal(R"({"command": ["true"], "log_directory": "server/log"})") ==
        "log_directory: '" + dir.path() + "/server/log' cannot be made or written");
  CHECK(refusal(R"({"command": ["true"], "log_directory": "a/b"})") == "");
  CHECK_FALSE(std::filesystem::exists(dir.path() + "/a"));
}
