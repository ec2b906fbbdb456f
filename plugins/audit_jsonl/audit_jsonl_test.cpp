#include "audit_jsonl.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sgw/testing.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

using namespace sgw::testing;
using sgw::plugins::JsonLines;
using sgw::plugins::JsonLinesSettings;

namespace {

std::string Read(const TempDir& dir, const std::string& file) {
  std::ifstream in(dir.path() + "/" + file);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

sgw::Record Refusal() {
  return {.event = sgw::RecordEvent::kCallRefused,
          .call_id = "7f3a91",
          .subject = "ali\"ce\n\x1b[31m",
          .refused_by = "tenants",
          .code = sgw::StatusCode::kPermissionDenied,
          .message = "no"};
}

// A named pipe, its reader, and a record that is more than a pipe holds.
struct Pipe {
  Pipe() : path(dir.path() + "/fifo") {
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    large.message = message;
  }
  ~Pipe() { close(reader); }

  const TempDir dir;
  const std::string path;
  const std::string message = std::string(200'000, 'x');
  sgw::Record large = Refusal();
  int reader = -1;
};

}  // namespace

TEST_CASE("a record is one line of JSON, and no byte of a client's leaves it") {
  const std::string line = sgw::plugins::LineOf(Refusal());
  CHECK(line.find('\n') == line.size() - 1);
  const auto json = sgw::Json::Parse(line);
  REQUIRE(json);
  CHECK(json->String("/event") == "call_refused");
  CHECK(json->String("/subject") == "ali\"ce\n\x1b[31m");
  CHECK(json->String("/code") == "PERMISSION_DENIED");
  CHECK(line.find('\x1b') == std::string::npos);
}

TEST_CASE("what was told before the end is on disk after it, also when the file was rotated") {
  const TempDir dir;
  TestHost host;
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(),
                        R"({"path": ")" + dir.path() + R"(/audit.jsonl"})");
  REQUIRE(audit.Start().Wait().ok());
  audit.Write(Refusal());
  REQUIRE(audit.Quiesce().Wait().ok());
  std::filesystem::rename(dir.path() + "/audit.jsonl", dir.path() + "/audit.jsonl.1");
  audit.Write(Refusal());
  REQUIRE(audit.Quiesce().Wait().ok());
  CHECK(Read(dir, "audit.jsonl.1").find("7f3a91") != std::string::npos);
  CHECK(Read(dir, "audit.jsonl").find("7f3a91") != std::string::npos);
  CHECK(host.Metric("spark_gateway_audit_written_total") == 2);
}

TEST_CASE("a file that cannot be opened is refused with its reason, and none is made before the start") {
  TestHost host;
  const auto made = [&](const std::string& path) {
    return PluginUnderTest(host, Linked<JsonLines, JsonLinesSettings>(), R"({"path": ")" + path + R"("})").created();
  };
  CHECK(made("/nowhere/audit.jsonl").message() == "path: cannot open /nowhere/audit.jsonl: No such file or directory");
  CHECK(made("/tmp").message() == "path: cannot open /tmp: Is a directory");
  CHECK(made("/proc/version/audit.jsonl").message() == "path: cannot open /proc/version/audit.jsonl: Not a directory");
  const TempDir dir;
  CHECK(made(dir.path() + "/audit.jsonl").ok());
  CHECK(access((dir.path() + "/audit.jsonl").c_str(), F_OK) != 0);
}

TEST_CASE("a file whose folder went before the start ends the start with its reason") {
  TestHost host;
  const TempDir dir;
  const std::string folder = dir.path() + "/folder";
  std::filesystem::create_directory(folder);
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(), R"({"path": ")" + folder + R"(/audit.jsonl"})");
  std::filesystem::remove(folder);
  CHECK(audit.Start().Wait().message() == "cannot open " + folder + "/audit.jsonl: No such file or directory");
}

TEST_CASE("every control byte of every field is escaped") {
  std::string bytes;
  for (int byte = 1; byte < 256; ++byte) bytes += static_cast<char>(byte);
  bytes += "\xc2\x9b[31m\xe2\x82\xac";
  const std::string line = sgw::plugins::LineOf({.call_id = bytes, .session_id = bytes, .operation_id = bytes});
  CHECK(line.find('\n') == line.size() - 1);
  REQUIRE(sgw::Json::Parse(line));
  for (const char c : line.substr(0, line.size() - 1)) {
    const auto byte = static_cast<unsigned char>(c);
    CHECK(byte >= 0x20);
    CHECK(byte != 0x7f);
  }
  CHECK(line.find("\xc2\x9b") == std::string::npos);
  CHECK(line.find("\xe2\x82\xac") != std::string::npos);
}

TEST_CASE("a queue has a bound that memory can hold") {
  const auto created = [](const std::string& queue) {
    TestHost host;
    return PluginUnderTest(host, Linked<JsonLines, JsonLinesSettings>(),
                           R"({"path": "stdout", "queue": )" + queue + "}")
        .created();
  };
  for (const char* wrong : {"-1", "0", "10000001", "99999999999999"})
    CHECK(created(wrong).message() == "queue: must be from 1 to 10000000");
  CHECK(created("10000000").ok());
}

TEST_CASE("a full disk is counted and said once, and with on_full: refuse no operation starts") {
  TestHost host;
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(), R"({"path": "/dev/full", "on_full": "refuse"})");
  REQUIRE(audit.Start().Wait().ok());
  CHECK(audit.Admit({}).Wait().ok());
  for (int i = 1; i <= 3; ++i) {
    audit.Write(Refusal());
    REQUIRE(audit.Quiesce().Wait().ok());
    CHECK(host.Metric("spark_gateway_audit_failures_total") == i);
  }
  CHECK(host.Metric("spark_gateway_audit_written_total") == 0);
  CHECK(host.Logged("cannot write /dev/full: No space left on device") == 1);
  const auto verdict = audit.Admit({}).Wait();
  CHECK(verdict.code() == sgw::StatusCode::kUnavailable);
  CHECK(verdict.message().find("audit trail") != std::string::npos);
}

TEST_CASE("what a full disk tore apart spoils no later line, and all is well when there is room again") {
  const TempDir dir;
  TestHost host;
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(),
                        R"({"path": ")" + dir.path() + R"(/audit.jsonl", "on_full": "refuse"})");
  REQUIRE(audit.Start().Wait().ok());
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{60, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  audit.Write(Refusal());
  REQUIRE(audit.Quiesce().Wait().ok());
  setrlimit(RLIMIT_FSIZE, &limit);
  CHECK(Read(dir, "audit.jsonl").size() == 60);
  CHECK_FALSE(audit.Admit({}).Wait().ok());

  audit.Write(Refusal());
  REQUIRE(audit.Quiesce().Wait().ok());
  const std::string text = Read(dir, "audit.jsonl");
  CHECK(text.substr(60) == "\n" + sgw::plugins::LineOf(Refusal()));
  CHECK(host.Metric("spark_gateway_audit_written_total") == 1);
  CHECK(host.Metric("spark_gateway_audit_failures_total") == 1);
  CHECK(host.Logged("can be written again") == 1);
  CHECK(audit.Admit({}).Wait().ok());
}

TEST_CASE("a line that an earlier process left without its end is ended first") {
  const TempDir dir;
  std::ofstream(dir.path() + "/audit.jsonl") << "{\"time\":";
  TestHost host;
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(),
                        R"({"path": ")" + dir.path() + R"(/audit.jsonl"})");
  REQUIRE(audit.Start().Wait().ok());
  audit.Write(Refusal());
  REQUIRE(audit.Quiesce().Wait().ok());
  CHECK(Read(dir, "audit.jsonl") == "{\"time\":\n" + sgw::plugins::LineOf(Refusal()));
}

TEST_CASE("a reader that reads no more does not keep the gateway from ending") {
  const Pipe pipe;
  TestHost host;
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(), R"({"path": ")" + pipe.path + R"("})");
  REQUIRE(audit.Start().Wait().ok());
  audit.Write(pipe.large);
  audit.Write(Refusal());
  CHECK(audit.Quiesce().Wait().ok());
  CHECK(audit.Stop().Wait().ok());
  CHECK(host.Metric("spark_gateway_audit_written_total") == 0);
  CHECK(host.Metric("spark_gateway_audit_failures_total") >= 1);
  CHECK(host.Logged("cannot write " + pipe.path) == 1);
}

TEST_CASE("while a slow reader keeps the queue full, records are dropped and counted") {
  for (const std::string on_full : {"drop", "refuse"}) {
    const Pipe pipe;
    TestHost host;
    PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(),
                          R"({"queue": 2, "on_full": ")" + on_full + R"(", "path": ")" + pipe.path + R"("})");
    REQUIRE(audit.Start().Wait().ok());
    audit.Write(pipe.large);
    audit.Write(Refusal());
    audit.Write(Refusal());
    CHECK(host.Metric("spark_gateway_audit_dropped_total") == 1);
    CHECK(audit.Admit({}).Wait().ok() == (on_full == "drop"));

    std::string text;
    std::thread drain([&] {
      char bytes[64 * 1024];
      while (std::count(text.begin(), text.end(), '\n') < 2) {
        const ssize_t size = read(pipe.reader, bytes, sizeof(bytes));
        if (size > 0) text.append(bytes, static_cast<std::size_t>(size));
      }
    });
    CHECK(audit.Quiesce().Wait().ok());
    drain.join();
    CHECK(text == sgw::plugins::LineOf(pipe.large) + sgw::plugins::LineOf(Refusal()));
    CHECK(host.Metric("spark_gateway_audit_written_total") == 2);
    CHECK(audit.Admit({}).Wait().ok());
  }
}
