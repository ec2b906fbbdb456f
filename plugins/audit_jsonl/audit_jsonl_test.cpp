#include "audit_jsonl.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace sgw::testing;
using sgw::plugins::JsonLines;
using sgw::plugins::JsonLinesSettings;

namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/sgw-audit-XXXXXX";
    path = mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  std::string Read(const std::string& file) const {
    std::ifstream in(path + "/" + file);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }
  std::string path;
};

sgw::Record Refusal() {
  return {.event = sgw::RecordEvent::kCallRefused,
          .call_id = "7f3a91",
          .subject = "ali\"ce\n\x1b[31m",
          .refused_by = "tenants",
          .code = sgw::StatusCode::kPermissionDenied,
          .message = "no"};
}

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
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(), R"({"path": ")" + dir.path + R"(/audit.jsonl"})");
  REQUIRE(audit.Start().Wait().ok());
  audit.Write(Refusal());
  REQUIRE(audit.Quiesce().Wait().ok());
  std::filesystem::rename(dir.path + "/audit.jsonl", dir.path + "/audit.jsonl.1");
  audit.Write(Refusal());
  REQUIRE(audit.Quiesce().Wait().ok());
  CHECK(dir.Read("audit.jsonl.1").find("7f3a91") != std::string::npos);
  CHECK(dir.Read("audit.jsonl").find("7f3a91") != std::string::npos);
  CHECK(host.Metric("spark_gateway_audit_written_total") == 2);
}

TEST_CASE("a file that cannot be opened ends the start with its reason") {
  TestHost host;
  PluginUnderTest audit(host, Linked<JsonLines, JsonLinesSettings>(), R"({"path": "/nowhere/audit.jsonl"})");
  CHECK(audit.Start().Wait().message() == "cannot open /nowhere/audit.jsonl: No such file or directory");
}
