#include <sgw/json.h>

#include "core/config/address.h"
#include "core/config/write.h"
#include "core/config/yaml.h"
#include "tests/core/config/said.h"

using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

std::string Why(const std::string& address) {
  std::string problem;
  return ParseAddress(address, problem) ? "" : problem;
}

}  // namespace

TEST_CASE("an address is a host and a port, an IPv6 address in brackets, or a socket's path") {
  for (const char* good : {"127.0.0.1:15002", "[::1]:0", "[fe80::1%eth0]:1", "localhost:65535", "gateway.acme.com:443",
                           "unix:/run/x.sock", "unix:x"}) {
    CHECK_MESSAGE(Why(good).empty(), good);
  }
  CHECK(Why(":0") == "the host is missing; 0.0.0.0 is every IPv4 address, [::] every address");
  CHECK(Why("[::1:15") == "the ']' is missing");
  CHECK(Why("[::1]x:15") == "after the ']' comes the port");
  CHECK(Why("[::1]") == "the port is missing");
  CHECK(Why("[localhost]:1") == "between the brackets stands an IPv6 address");
  CHECK(Why("::1:15002") == "an IPv6 address stands in brackets");
  CHECK(Why("fe80::aa:15002") == "an IPv6 address stands in brackets");
  CHECK(Why("host:99999") == "the port is a number up to 65535");
  CHECK(Why("host:-1") == "the port is a number up to 65535");
  CHECK(Why("host:http") == "the port is a number up to 65535");
  CHECK(Why("host:") == "the port is missing");
  CHECK(Why("host") == "the port is missing");
  CHECK(Why("a:b:1") == "the host is no name and no address");
  CHECK(Why("http://host:1") == "the host is no name and no address");
  CHECK(Why("a host:1") == "the host is no name and no address");
  CHECK(Why("unix:") == "the path is missing");
  CHECK(Why("unix:/" + std::string(200, 'x')) == "the path has more than 107 bytes");
  CHECK_FALSE(Why("").empty());
}

TEST_CASE("every address of a configuration is looked at where it stands") {
  CHECK(Contains(Said(kGood + "admin: {address: \":0\"}\n"), "gateway.yaml:9:18: admin.address must be"));
  CHECK(Contains(Said(kGood + "admin: {http: 9090}\n"), "gateway.yaml:9:15: admin.http must be host:port"));
  CHECK(Contains(Said(kGood + "admin: {http: \"unix:/x\"}\n"), "admin.http must be host:port"));
  CHECK(Said(kGood + "admin: {http: \"\"}\n") == "");
  CHECK(Contains(Said(Replaced("127.0.0.1:0", "127.0.0.1:7\n  - address: 127.0.0.1:7")),
                 "gateway.yaml:3:5: listeners[1].address is that of listeners[0], too"));
  CHECK(Said(Replaced("127.0.0.1:0", "127.0.0.1:0\n  - address: 127.0.0.1:0")) == "");
}

TEST_CASE("numbers, sizes and durations beyond their bounds are refused with these") {
  for (const auto& [text, wanted] :
       {std::pair("workers: 5000", "workers must be a whole number from 0 to 1024, not '5000'"),
        std::pair("limits: {connections: 99999999999999999999}", "a whole number from 1 to 1000000, not"),
        std::pair("limits: {streams_per_connection: 4294967297}", "a whole number from 1 to 100000, not"),
        std::pair("limits: {header_bytes: 1}", "from 1KiB to 1MiB, not '1'"),
        std::pair("limits: {buffer_bytes: 9GiB9}", "from 1MiB to 1TiB, not '9GiB9'"),
        std::pair("limits: {idle_timeout: 0}", "from 1s to 7d, not '0'"),
        std::pair("limits: {handshake_timeout: 106751991167d}", "from 100ms to 10m, not"),
        std::pair("sessions: {max_age: 1000000d}", "from 1s to 365d, not '1000000d'"),
        std::pair("sessions: {idle_timeout: -5s}", "from 1s to 365d, not '-5s'"),
        std::pair("upstream: {connect_timeout: 1ms}", "from 10ms to 10m, not '1ms'"),
        std::pair("drain: {delay: 2d}", "from 0 to 1h, not '2d'")}) {
    const std::string said = Said(kGood + text + "\n");
    CHECK_MESSAGE(Contains(said, wanted), said);
  }
  CHECK(Contains(Said(Replaced("auth: okta", "auth: okta\n    hold: 90d")), "pipeline[0].hold must be"));
  CHECK(Contains(Said(Replaced("auth: okta", "auth: okta\n  - hot-pool: drivers\n    create: true\n    give_up: 0")),
                 "from 1ms to 1d, not '0'"));
}

TEST_CASE("keys that a step of its kind does not have are refused, and durations that do not fit are a warning") {
  const auto said = [](const std::string& step) { return Said(kGood + "  - " + step + "\n"); };
  CHECK(Contains(said("{audit: okta, hold: 3s}"),
                 "gateway.yaml:9:25: pipeline[2]: nobody waits for an observer, so it has no `hold`\n"));
  CHECK(Contains(said("{metrics: okta, create: true}"), "only a hot-pool step can have `create: true`"));
  CHECK(Contains(
      Said(Replaced("auth: okta", "auth: okta\n    give_up: 3s")),
      "gateway.yaml:8:14: pipeline[0]: only a hot-pool step with `create: true` makes servers and can `give_up`"));
  CHECK(Contains(said("{hot-pool: okta, give_up: 3s}"), "can `give_up`"));
  CHECK(Contains(said("{hot-pool: okta, create: true, hold: 1m, give_up: 1s}"),
                 "gateway.yaml:9:5: warning: pipeline[2].hold (1m) is more than its give_up (1s)"));
}

TEST_CASE("a step that can have no effect because of one before it is refused") {
  const auto said = [](const std::string& steps) { return Said(kGood + steps); };
  CHECK(Contains(said("  - audit: okta\n  - audit: okta\n"),
                 "10:5: pipeline[3]: 'okta' is named by pipeline[2] already"));
  CHECK(Contains(said("  - discovery: drivers\n"), "pipeline[2]: 'drivers' is named by pipeline[1] already"));
  CHECK(Contains(said("  - metrics: okta\n  - metrics: drivers\n"),
                 "pipeline[3]: a pipeline has one metrics plugin, and pipeline[2] names it"));
  CHECK(Contains(said("  - metrics: [okta, drivers]\n"), "pipeline[2]: a pipeline has one metrics plugin"));
  CHECK(Contains(
      said("  - {hot-pool: okta, create: true}\n  - hot-pool: okta\n"),
      "pipeline[3]: 'okta' is never asked for a warm server: pipeline[2] has it make one; put this step before"));
  CHECK(said("  - hot-pool: okta\n  - {hot-pool: okta, create: true}\n").empty());
}

TEST_CASE("two listeners have neither one name nor one address") {
  const auto said = [](const std::string& one, const std::string& other) {
    return Said(Replaced("  - address: 127.0.0.1:0\n", "  - {" + one + "}\n  - {" + other + "}\n"));
  };
  CHECK(Contains(said("address: \"127.0.0.1:1\", name: a", "address: \"127.0.0.1:2\", name: a"),
                 "gateway.yaml:3:5: listeners[1].name is that of listeners[0], too"));
  CHECK(Contains(said("address: \"127.0.0.1:1\"", "address: \"0.0.0.0:1\""),
                 "listeners[1].address is that of listeners[0]"));
  CHECK(Contains(said("address: \"[::]:1\"", "address: \"[::1]:1\""), "listeners[1].address is that of listeners[0]"));
  CHECK(Contains(said("address: \"[::]:1\"", "address: \"127.0.0.1:1\""),
                 "listeners[1].address is that of listeners[0]"));
  CHECK(Contains(said("address: \"unix:/a\"", "address: \"unix:/a\""), "listeners[1].address is that of listeners[0]"));
  CHECK(Contains(said("address: \"unix:a\"", "address: \"unix:./a\""), "listeners[1].address is that of listeners[0]"));
  CHECK(said("address: \"127.0.0.1:0\"", "address: \"127.0.0.1:0\"").empty());
  CHECK(said("address: \"0.0.0.0:1\"", "address: \"[::1]:1\"").empty());
}

TEST_CASE("no listener has the address of the admin API or of its pages, and these two have not one either") {
  const auto said = [](const std::string& listener, const std::string& admin) {
    return Said(Replaced("  - address: 127.0.0.1:0\n", "  - address: \"" + listener + "\"\n") + "admin: {" + admin +
                "}\n");
  };
  CHECK(said("0.0.0.0:9090", "") == "gateway.yaml:2:5: listeners[0].address is that of admin.http, too\n");
  CHECK(said("unix:/a", "address: \"unix:/a\"") ==
        "gateway.yaml:2:5: listeners[0].address is that of admin.address, too\n");
  CHECK(said("127.0.0.1:1", "address: \"127.0.0.1:2\", http: \"127.0.0.1:2\"") ==
        "gateway.yaml:9:18: admin.address is that of admin.http, too\n");
  CHECK(said("127.0.0.1:1", "address: \"127.0.0.1:2\", http: \"127.0.0.1:3\"").empty());
  CHECK(said("127.0.0.1:0", "address: \"127.0.0.1:0\", http: \"127.0.0.1:0\"").empty());
}

TEST_CASE("the admin API is for this machine alone") {
  for (const char* open : {"0.0.0.0:9091", "[::]:9091", "10.1.2.3:9091", "127.example.com:9091"}) {
    CHECK(Contains(Said(kGood + "admin: {address: \"" + open + "\"}\n"),
                   "gateway.yaml:9:18: admin.address: whoever reaches " + std::string(open)));
  }
  for (const char* good : {"unix:/run/x.sock", "127.0.0.1:9091", "[::1]:9091", "localhost:9091"})
    CHECK(Said(kGood + "admin: {address: \"" + good + "\"}\n").empty());
}

TEST_CASE("bounds that contradict each other are a warning") {
  CHECK(Contains(Said(kGood + "limits: {buffer_bytes: 1MiB}\n"),
                 "gateway.yaml:9:24: warning: limits.connection_buffer_bytes (64MiB) is more than limits.buffer_bytes "
                 "(1MiB)"));
  CHECK(Contains(Said(kGood + "sessions: {max_age: 30m}\n"),
                 "gateway.yaml:9:21: warning: sessions.idle_timeout (1h) is more than"));
}

TEST_CASE("'-' and '_' are alike in kinds, in the names of plugins and in what steps call them") {
  const std::string text = Replaced("  drivers: {use: discovery_static}", "  my-drivers: {use: discovery-static}",
                                    Replaced("discovery: drivers", "hot_pool: my_drivers"));
  Complaints complaints("gateway.yaml");
  const auto config = ParseConfig(text, "", complaints);
  REQUIRE_MESSAGE(config, complaints.Text());
  CHECK(complaints.Text().empty());
  CHECK(config->pipeline[1].kind == StepKind::kHotPool);
  CHECK(config->pipeline[1].instances == std::vector<std::string>{"my-drivers"});
  CHECK(config->FindPlugin("my_drivers") == &config->plugins[1]);
  CHECK(Contains(Said(Replaced("  drivers", "  my_x: {use: a}\n  my-x: {use: a}\n  drivers")),
                 "plugins.my-x is the same name as 'my_x': '-' and '_' are alike"));
}

TEST_CASE("a plugin's name is one that logs and metrics can show") {
  CHECK(Contains(Said(Replaced("  drivers:", "  \"a b\": {use: x}\n  drivers:")), "a plugin's name has letters"));
  CHECK(Contains(Said(Replaced("  drivers:", "  " + std::string(65, 'x') + ": {use: x}\n  drivers:")),
                 "at most 64 of them"));
}

TEST_CASE("a step with a key that is none is told the nearest") {
  CHECK(Contains(Said(Replaced("auth: okta", "auth: okta\n    holt: 3s")),
                 "gateway.yaml:8:5: pipeline[0]: no kind or key 'holt' (did you mean 'hold'?)"));
  CHECK(Contains(Said(Replaced("auth: okta", "auth: okta\n    giveup: 3s")), "(did you mean 'give_up'?)"));
  CHECK(Contains(Said(Replaced("auth: okta", "auth: okta\n    router: okta")), "a step has one kind"));
  CHECK(Contains(Said(Replaced("auth: okta", "auth: [okta, okta]")), "the step names 'okta' twice"));
}

TEST_CASE("relative paths start at the configuration's folder") {
  Complaints complaints("gateway.yaml");
  const auto config = ParseConfig(
      Replaced("127.0.0.1:0", "unix:data.sock\n    tls: {certificate: tls.crt, key: /abs/tls.key}",
               Replaced("use: auth_oidc", "use: ./mine.so")) +
          "plugin_directories: [plugins]\nsessions: {state: state}\nadmin: {address: \"unix:admin.sock\"}\n",
      "/etc/gateway", complaints);
  REQUIRE_MESSAGE(config, complaints.Text());
  CHECK(config->listeners[0].address == "unix:/etc/gateway/data.sock");
  CHECK(config->listeners[0].certificate == "/etc/gateway/tls.crt");
  CHECK(config->listeners[0].key == "/abs/tls.key");
  CHECK(config->plugins[0].use == "/etc/gateway/./mine.so");
  CHECK(config->plugin_directories == std::vector<std::string>{"/etc/gateway/plugins"});
  CHECK(config->sessions.state == "/etc/gateway/state");
  CHECK(config->admin.address == "unix:/etc/gateway/admin.sock");
}

TEST_CASE("the effective configuration reads as the same configuration") {
  Complaints complaints("gateway.yaml");
  const auto config =
      ParseConfig(Replaced("127.0.0.1:0",
                           "\"[::1]:15002\"\n    name: \"no\"\n    tls: {certificate: a b, key: k, client: {ca: c}}") +
                      "upstream: {tls: {ca: u}}\n"
                      "sessions: {share: team, state: \"x: y # z\"}\nlimits: {header_bytes: 12345}\nadmin: {http: "
                      "\"\"}\nworkers: 3\n",
                  "/etc/gateway", complaints);
  REQUIRE_MESSAGE(config, complaints.Text());
  const std::map<std::string, Value> settings = {{"okta", config->plugins[0].settings}};
  const std::string once = FormatYaml(WriteConfig(*config, settings));
  const auto again = ParseConfig(once, "/elsewhere", complaints);
  REQUIRE_MESSAGE(again, complaints.Text() << once);
  CHECK(FormatYaml(WriteConfig(*again, {{"okta", again->plugins[0].settings}})) == once);
  CHECK(again->listeners[0].name == "no");
  CHECK(again->listeners[0].client_mode == "required");
  CHECK(again->listeners[0].min_version == "1.2");
  CHECK(again->upstream.ca == "/etc/gateway/u");
  CHECK(again->sessions.state == "/etc/gateway/x: y # z");
  CHECK(again->limits.header_bytes == 12345);
  CHECK(again->admin.http.empty());
  CHECK(again->workers == 3);
  CHECK(sgw::Json::Parse(FormatJson(WriteConfig(*config, settings))));
}

TEST_CASE("a part of TLS that cannot stand alone is refused with what it lacks") {
  const auto listener = [](const std::string& tls) {
    return Said(Replaced("127.0.0.1:0", "127.0.0.1:0\n    tls: " + tls));
  };
  CHECK(Contains(listener("{certificate: c}"), "listeners[0].tls needs 'certificate' and 'key'"));
  CHECK(Contains(listener("{certificate: c, key: k, client: {crl: l}}"), "listeners[0].tls.client needs 'ca'"));
  CHECK(Contains(listener("{certificate: c, key: k, client: }"), "listeners[0].tls.client needs 'ca'"));
  CHECK(Contains(listener("{certificate: c, key: k, min_version: 1.1}"), "must be 1.2 or 1.3, not '1.1'"));
  CHECK(Said(Replaced("127.0.0.1:0", "127.0.0.1:0\n    tls: {certificate: c, key: k, min_version: 1.3}")) == "");
  CHECK(Contains(Said(kGood + "upstream: {tls: {certificate: c, key: k}}\n"), "upstream.tls needs 'ca'"));
  CHECK(Contains(Said(kGood + "upstream: {tls: {ca: a, key: k}}\n"), "both 'certificate' and 'key', or neither"));
}

TEST_CASE("any text survives being written as YAML") {
  const std::string escaped(250, '\x01');  // is too long for a key on one line
  for (const std::string& text : std::initializer_list<std::string>{
           "",    " ",        "null", "~",    "true", "No",          "1",     "0x1F", "1e3", "-",
           "- a", "a: b",     "#x",   "a #b", "'",    "\"",          "\\",    "{a}",  "[",   "*a",
           "&a",  "!t",       "%d",   "@",    "`",    "line\nbreak", "\t",    "\x01", "ü€𝄞", "2026-11-24",
           "1.5", "<secret>", "...",  "---",  "y",    ".",           "12:30", "=",    "<<",  escaped}) {
    Value map = Value::Map();
    map.Add("key", Value::String(text));
    map.Add(text, Value::List());
    map.map.back().value.list.push_back(Value::String(text));
    Complaints complaints("f");
    const auto read = ParseYaml(FormatYaml(map), "", complaints);
    REQUIRE_MESSAGE(read, complaints.Text() << FormatYaml(map));
    CHECK(complaints.Text().empty());
    CHECK(read->Find("key")->kind == Value::Kind::kScalar);
    CHECK(read->Find("key")->text == text);
    CHECK(read->Find(text)->list.at(0).text == text);
  }
}
