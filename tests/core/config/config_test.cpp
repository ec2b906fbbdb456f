#include <doctest/doctest.h>
#include <sgw/testing/temp_dir.h>

#include <cstdlib>
#include <random>

#include "core/config/address.h"
#include "core/config/schema.h"
#include "core/config/units.h"
#include "core/config/yaml.h"
#include "tests/core/config/said.h"

using namespace sgw::core;
using namespace sgw::core::testing;

TEST_CASE("a small configuration has every default") {
  Complaints complaints("gateway.yaml");
  const auto config = ParseConfig(kGood, "/etc/gateway", complaints);
  REQUIRE_MESSAGE(config, complaints.Text());
  CHECK(complaints.Text().empty());
  CHECK(config->listeners[0].name == "127.0.0.1:0");
  CHECK(config->pipeline[0].kind == StepKind::kAuth);
  CHECK(config->pipeline[1].hold == 25s);
  CHECK(config->sessions.share == sgw::Share::kUser);
  CHECK(config->plugins[0].settings.map.size() == 1);
}

TEST_CASE("each complaint says where, what was found and what would be right") {
  CHECK(Said(Replaced("auth: okta", "auth: oktaa")) ==
        "gateway.yaml:4:3: warning: plugins.okta is used by no step\n"
        "gateway.yaml:7:11: pipeline[0]: no plugin 'oktaa' (did you mean 'okta'?)\n");
  CHECK(Said(kGood + "sessons: {}\n") ==
        "gateway.yaml:9:1: the configuration has no key 'sessons' (did you mean 'sessions'?)\n");
  CHECK(Said(kGood + "limits: {connections: many, buffer_bytes: 12 MB}\n") ==
        "gateway.yaml:9:23: limits.connections must be a whole number from 1 to 1000000, not 'many'\n"
        "gateway.yaml:9:43: limits.buffer_bytes must be a size such as 64KiB, 1MiB or a number of bytes, from 1MiB to "
        "1TiB, not '12 MB'\n");
  CHECK(Said(kGood + "drain: {timeout: 5 minutes}\n") ==
        "gateway.yaml:9:18: drain.timeout must be a duration such as 250ms, 25s, 30m or 24h, from 0 to 1d, not '5 "
        "minutes'\n");
  CHECK(Said(Replaced("  drivers", "  okta: {use: b}\n  drivers")) ==
        "gateway.yaml:5:3: the key 'okta' stands here a second time\n");
  CHECK(
      Said(Replaced("127.0.0.1:0", "localhost")) ==
      "gateway.yaml:2:14: listeners[0].address must be host:port, [address]:port or unix:/path (the port is missing), "
      "not 'localhost'\n");
}

TEST_CASE("an order of steps that cannot work is refused at its line") {
  CHECK(Said(Replaced("  - auth: okta\n", "")).find("listeners[0]: the pipeline has no auth step") !=
        std::string::npos);
  CHECK(Said(Replaced("  - auth: okta\n", "", Replaced("127.0.0.1:0", "127.0.0.1:0\n    open: true"))) ==
        "gateway.yaml:5:3: warning: plugins.okta is used by no step\n");
  CHECK(Said(Replaced("  - discovery: drivers\n", "")).find("no step yields an endpoint") != std::string::npos);
  const std::string routed = Replaced("  drivers", "  r: {use: router_headers}\n  drivers");
  CHECK(Said(Replaced("  - auth: okta\n", "  - router: r\n  - auth: okta\n", routed))
            .find("pipeline[1]: auth comes before") != std::string::npos);
  CHECK(Said(Replaced("  - auth: okta\n", "  - router: r\n",
                      Replaced("127.0.0.1:0", "127.0.0.1:0\n    open: true", routed)))
            .find("pipeline: a router needs an auth step before it") != std::string::npos);
  CHECK(Said(Replaced("  - discovery", "  - router: r\n  - router: r\n  - discovery", routed))
            .find("pipeline[2]: a pipeline has one router") != std::string::npos);
  CHECK(Said(Replaced("discovery: drivers", "discovery: drivers\n    create: true"))
            .find("only a hot-pool step can have `create: true`") != std::string::npos);
  CHECK(Said(Replaced("auth: okta", "oauth: okta")).find("no kind or key 'oauth' (did you mean 'auth'?)") !=
        std::string::npos);
  CHECK(Said(kGood + "  - hot_pool: [drivers, nobody]\n").find("no plugin 'nobody'") != std::string::npos);
}

TEST_CASE("a file that is no configuration is refused with a reason") {
  CHECK(Said("") == "gateway.yaml:1:1: the file is empty; it needs 'listeners', 'plugins' and 'pipeline'\n");
  CHECK(Said("- a\n") == "gateway.yaml:1:1: the configuration must be a map, not a list\n");
  CHECK(Said("listeners\n") == "gateway.yaml:1:1: the configuration must be a map, not 'listeners'\n");
  CHECK(Said("a:\n\t- b\n").find("tab") != std::string::npos);
  CHECK(Said("a: [b\n").find("; a '[' is not closed") != std::string::npos);
  CHECK(Said("a: {b: c\n").find("; a '{' or a quote is not closed") != std::string::npos);
  const std::string slip = "; is the line indented as its neighbours are";
  for (const char* text : {"a:\n  b: 1\n c: 2\n", "a:\n - b: 1\n   c: 2\n  d: 3\n", "a: 1\n b: 2\n"})
    CHECK(Said(text).find(slip) != std::string::npos);
  CHECK(Said("a:1\nb: 2\n").find("does a blank follow each ':'?") != std::string::npos);
  CHECK(Said("a: b]\nc: [}\n").find("; nothing opens this bracket") != std::string::npos);
  CHECK(Said("listeners: []\n").find("1:12: listeners must be a list with at least one entry") != std::string::npos);
  CHECK(Said("listeners: []\n").find(", not an empty list") != std::string::npos);
  CHECK(Said(std::string("a: \0b", 5)) == "gateway.yaml:1:4: a control character; is this a text file?\n");
  CHECK(Said("a: \xff\n") == "gateway.yaml:1:4: a byte that is not UTF-8; is this a text file?\n");
  CHECK(Said(std::string(2 << 20, 'a')).find("at most 1 MiB") != std::string::npos);
}

TEST_CASE("a secret is replaced and never shown") {
  setenv("SGW_TEST_SECRET", "hunter2", 1);
  const std::string text = Replaced("issuer: x", "issuer: \"${env:SGW_TEST_SECRET}\"");
  Complaints complaints("gateway.yaml");
  const auto config = ParseConfig(text, "", complaints);
  REQUIRE(config);
  const Value* issuer = config->plugins[0].settings.Find("issuer");
  CHECK(issuer->text == "hunter2");
  CHECK(issuer->Shown() == "<secret>");
  CHECK(config->secret_variables == std::vector<std::string>{"SGW_TEST_SECRET"});
  CHECK(Said(kGood + "workers: ${env:SGW_TEST_SECRET}\n") ==
        "gateway.yaml:9:10: workers must be a whole number from 0 to 1024, not <secret>\n");
  CHECK(Said(kGood + "workers: ${env:SGW_NOT_THERE}\n") ==
        "gateway.yaml:9:10: the environment has no variable 'SGW_NOT_THERE'\n");
}

TEST_CASE("a secret is not shown where names are shown either, and must be a small file") {
  setenv("SGW_TEST_SECRET", "hunter2", 1);
  for (const auto& [from, to] : {std::pair("address: 127.0.0.1:0", "address: \"${env:SGW_TEST_SECRET}\""),
                                 std::pair("auth: okta", "auth: \"${env:SGW_TEST_SECRET}\""),
                                 std::pair("auth: okta", "auth: [\"${env:SGW_TEST_SECRET}\"]"),
                                 std::pair("use: auth_oidc", "use: \"${env:SGW_TEST_SECRET}\"")}) {
    const std::string said = Said(Replaced(from, to));
    CHECK_MESSAGE(said.find("hunter2") == std::string::npos, said);
    CHECK_FALSE(said.empty());
  }
  for (const auto& [file, why] :
       {std::pair("/dev/zero", "a regular file of at most 64 KiB"),
        std::pair("/tmp", "a regular file of at most 64 KiB"), std::pair("/nowhere", "No such file or directory")}) {
    CHECK(Said(Replaced("issuer: x", "issuer: \"${file:" + std::string(file) + "}\"")).find(why) != std::string::npos);
  }
}

TEST_CASE("of each setting that is read from a file, it is known from which") {
  const auto schema = ReadSchema(*sgw::Json::Parse(R"([{"name":"keys","type":"map","of":{"type":"list","of":
    {"type":"secret"}},"required":false,"doc":""},{"name":"one","type":"secret","required":false,"doc":""}])"));
  REQUIRE(schema);
  const sgw::testing::TempDir folder;
  folder.Write("a", "x\n");
  Complaints complaints("g.yaml");
  const auto value =
      ParseYaml("keys: {a/b: [plain, \"${file:a}\"]}\none: \"Bearer ${file:a}\"\n", folder.path(), complaints);
  const auto checked = CheckSettings(*value, *schema, "plugins.p", complaints);
  CHECK(complaints.Text().empty());
  CHECK(checked.json == R"({"keys":{"a/b":["plain","x"]},"one":"Bearer x"})");
  CHECK(checked.secret_files == std::map<std::string, std::string>{{"/keys/a~1b/1", folder.path() + "/a"}});
}

TEST_CASE("only this machine can reach a loopback host, whatever a name begins with") {
  for (const char* host : {"127.0.0.1", "127.9.8.7", "::1", "localhost"}) CHECK_MESSAGE(IsLoopback(host), host);
  for (const char* host : {"127.example.com", "127.0.0.1.example.com", "128.0.0.1", "0.0.0.0", "::", "gateway"})
    CHECK_FALSE_MESSAGE(IsLoopback(host), host);
}

TEST_CASE("a step that names nobody is refused, so that no auth step is lost") {
  const std::string open = Replaced("127.0.0.1:0", "127.0.0.1:0\n    open: true");
  CHECK(Said(Replaced("auth: okta", "auth: []", open)).find("pipeline[0]: the step names no instance") !=
        std::string::npos);
  CHECK(Said(Replaced("auth: okta", "hold: 3s", open)).find("pipeline[0]: a step names a kind") != std::string::npos);
}

TEST_CASE("settings are held against the plugin's schema and turned into its JSON") {
  const auto schema = ReadSchema(*sgw::Json::Parse(R"([
    {"name":"size","type":"integer","required":true,"doc":"How many."},
    {"name":"age","type":"duration","required":false,"default":"30m","doc":""},
    {"name":"key","type":"secret","required":false,"doc":""},
    {"name":"spaces","type":"map","of":{"type":"list","of":{"type":"string"}},"required":false,"doc":""}])"));
  REQUIRE(schema);
  Complaints complaints("g.yaml");
  auto good = ParseYaml("size: 3\nage: 2m\nkey: k\nspaces: {a: [x, y]}\n", "", complaints);
  const auto checked = CheckSettings(*good, *schema, "plugins.p", complaints);
  CHECK(complaints.Text().empty());
  CHECK(checked.json == R"({"size":3,"age":120000,"key":"k","spaces":{"a":["x","y"]}})");
  CHECK(FormatYaml(checked.effective) == "size: 3\nage: 2m\nkey: \"<secret>\"\nspaces:\n  a: [x, \"y\"]\n");
  auto bad = ParseYaml("ages: 2m\nage: [1]\n", "", complaints);
  CheckSettings(*bad, *schema, "plugins.p", complaints);
  CHECK(complaints.Text() ==
        "g.yaml:1:1: plugins.p has no setting 'ages' (did you mean 'age'?)\n"
        "g.yaml:1:1: plugins.p needs 'size': How many.\n"
        "g.yaml:2:6: plugins.p.age must be a duration such as 250ms, 25s, 30m or 24h, not a list\n");
}

TEST_CASE("durations and sizes are read exactly") {
  CHECK(ParseDuration("250ms") == 250ms);
  CHECK(ParseDuration("24h") == 24h);
  CHECK(ParseDuration("0") == 0ms);
  for (const char* bad : {"", "5", "-1s", "1.5s", "1 s", "9999999999999d", "s"}) CHECK_FALSE(ParseDuration(bad));
  CHECK(ParseSize("64KiB") == 65536);
  CHECK(ParseSize("17") == 17);
  for (const char* bad : {"", "1KB", "-1", "9999999999999GiB"}) CHECK_FALSE(ParseSize(bad));
  CHECK(FormatDuration(90s) == "90s");
  CHECK(FormatSize(1 << 20) == "1MiB");
  CHECK(ParseSize("17B") == 17);
  CHECK(ParseSize("1TiB") == std::int64_t{1} << 40);
}

TEST_CASE("no text makes the reader fail other than by complaints") {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text = kGood + "sessions: {idle_timeout: 60m}\nlog: {format: json}\n";
    for (int i = 0; i < 4; ++i) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = static_cast<char>(random() % 256); break;
        case 1: text.erase(at, random() % 8); break;
        default: text.insert(at, std::string(1, "{}[]:-&*!|>'\"%@`#\n\t ,"[random() % 22])); break;
      }
    }
    Complaints complaints("f");
    const bool is_good = ParseConfig(text, "", complaints).has_value();
    CHECK(is_good != complaints.has_errors());
  }
}
