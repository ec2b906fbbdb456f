#include "core/config/yaml.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/core/config/said.h"

using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

std::string Repeated(const std::string& piece, std::size_t bytes) {
  std::string text;
  while (text.size() + piece.size() <= bytes) text += piece;
  return text;
}

// What is said of an unreasonable text, which must be little and soon.
std::string SaidSoon(const std::string& text) {
  const auto start = std::chrono::steady_clock::now();
  const std::string said = Said(text);
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took < std::chrono::seconds(15));
  CHECK(said.size() < 128 << 10);
  CHECK_FALSE(said.empty());
  return said;
}

}  // namespace

TEST_CASE("all mistakes of a file are said in one go, whatever their kind") {
  const std::string text =
      "listeners:\n"
      "  - address: 127.0.0.1:99999\n"
      "plugins:\n"
      "  okta: {use: auth_oidc, use: again, issuer: \"${env:SGW_NOT_THERE}\"}\n"
      "  okta: {use: auth_oidc}\n"
      "  drivers: &d {use: discovery_static}\n"
      "pipeline:\n"
      "  - auth: okta\n"
      "    holt: 3s\n"
      "  - discovery: drivers\n"
      "limits: {connections: 0}\n"
      "[a, b]: c\n"
      "log: {level: !loud info, format: xml}\n"
      "wokers: 3\n";
  CHECK(Said(text) ==
        "gateway.yaml:2:14: listeners[0].address must be host:port, [address]:port or unix:/path (the port is a number "
        "up to 65535), not '127.0.0.1:99999'\n"
        "gateway.yaml:4:26: the key 'use' stands here a second time\n"
        "gateway.yaml:4:46: the environment has no variable 'SGW_NOT_THERE'\n"
        "gateway.yaml:5:3: the key 'okta' stands here a second time\n"
        "gateway.yaml:6:12: anchors and aliases are not supported; write the value out\n"
        "gateway.yaml:9:5: pipeline[0]: no kind or key 'holt' (did you mean 'hold'?)\n"
        "gateway.yaml:11:23: limits.connections must be a whole number from 1 to 1000000, not '0'\n"
        "gateway.yaml:12:1: a key must be text\n"
        "gateway.yaml:13:14: tags such as '!loud' are not supported\n"
        "gateway.yaml:13:34: log.format must be text or json, not 'xml'\n"
        "gateway.yaml:14:1: the configuration has no key 'wokers' (did you mean 'workers'?)\n");
}

TEST_CASE("a second document, or what follows the first, is refused") {
  CHECK(Said(kGood + "---\nworkers: 3\n") ==
        "gateway.yaml:9:1: here begins a second document; the file may have one\n");
  CHECK(Contains(Said(kGood + "---\n"), "a second document"));
  CHECK(Said("---\n" + kGood + "...\n") == "");
  CHECK_FALSE(Said("{a: 1}\n]\n").empty());
  CHECK_FALSE(Said("{a: 1} b: 2\n").empty());
  CHECK(Contains(Said(",a: 1\n"), "a second document"));  // the parser would find more and more of them
}

TEST_CASE("line ends of Windows and a byte order mark change nothing") {
  std::string text = "\xEF\xBB\xBF";
  for (const char c : kGood + "log: {level: debug}\nadmin:\n  http: >\n    127.0.0.1:9090\n") {
    if (c == '\n') text += '\r';
    text += c;
  }
  CHECK(Contains(Said(text), "admin.http must be host:port"));  // a folded text ends with a line end
  text.replace(text.find('>'), 1, "");
  CHECK(Said(text) == "");
  CHECK(Said(text + "wokers: 1\r\n") ==
        "gateway.yaml:13:1: the configuration has no key 'wokers' (did you mean 'workers'?)\n");
}

TEST_CASE("line ends of old, and what only quotes can hold, are said to be so") {
  CHECK(Said("workers: 1\rlog: {}\r") ==
        "gateway.yaml:1:11: a carriage return within a line; a line ends with LF or CR LF\n");
  for (const char* text : {"@a", "%a", "`a"})
    CHECK(Contains(Said(kGood + "log: " + text + "\n"), "gateway.yaml:9:6: unknown token; a text that begins with"));
  for (const char* text : {"\"a\\_b\"", "\"a\\Nb\"", "{\"a\\_b\": 1}"})
    CHECK(Contains(Said(kGood + "log: " + text + "\n"), "are not supported; write \\u00a0 or \\u0085"));
  CHECK(Contains(Said(kGood + "log: {level: \"info}\n"), "a '{' or a quote is not closed"));
  CHECK(Contains(Said(Repeated("[", 2'000) + Repeated("]", 2'000)), "it has too many levels to be read to its end"));
}

TEST_CASE("tabs get a word of their own") {
  CHECK(Contains(Said("listeners:\n\t- address: x\n"), "gateway.yaml:2:"));
  CHECK(Contains(Said("listeners:\n\t- address: x\n"), "the line has a tab, and YAML is indented with spaces"));
  CHECK(Contains(Said("a:\n  b: 1\n\tc: 2\n"), "the line has a tab"));
}

TEST_CASE("a bomb is refused soon and with few words") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 8; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  CHECK(Contains(SaidSoon(bomb), "anchors and aliases are not supported"));
  CHECK(Contains(SaidSoon(bomb), " more\n"));
  for (const char* opening : {"[", "{", "- ", "? ", "a: [", "{a: ", "-\n "}) {
    CAPTURE(opening);
    SaidSoon(Repeated(opening, 4'000));
    SaidSoon(Repeated(opening, 1 << 20));
  }
  CHECK(Contains(SaidSoon("a: " + std::string(100, '[') + std::string(100, ']')), "1:35: more than 32 levels"));
}

TEST_CASE("a megabyte of anything is answered soon") {
  std::string keys;
  for (int i = 0; keys.size() < (1 << 20) - 20; ++i) keys += "k" + std::to_string(i) + ":\n";
  CHECK(Contains(SaidSoon(keys), "the configuration has no key 'k0'"));
  CHECK(Contains(SaidSoon(kGood + "limits:\n  " + std::string(1'000, 'k') + ": 1\n"), "a key of 1000 bytes"));
  SaidSoon(kGood + "limits:\n  " + std::string(900'000, 'k') + ": 1\n");
  SaidSoon(kGood + "limits:\n  ? " + std::string(900'000, 'k') + "\n  : 1\n");
  CHECK(Contains(SaidSoon(kGood + "workers: " + std::string(900'000, '9') + "\n"), "workers must be"));
  std::string steps = kGood;
  while (steps.size() < 1'000'000) steps += "  - discoverie: drivers\n";
  CHECK(Contains(SaidSoon(steps), "a list of 1 to 100 steps"));
  std::string plugins = "plugins:\n";
  for (int i = 0; plugins.size() < 900'000; ++i) plugins += "  p" + std::to_string(i) + ": {use: x}\n";
  CHECK(Contains(SaidSoon(plugins), "plugins has"));
  SaidSoon(Repeated("a", 1 << 20));
  SaidSoon(Repeated("a b: c d\n", 1 << 20));
  SaidSoon(Repeated("- \"x", 1 << 20));
  SaidSoon(Repeated("| ", 1 << 20));
  SaidSoon(Repeated("#\n", 1 << 20));
  SaidSoon(Repeated("${env:A}", 1 << 20));
}

TEST_CASE("what a file holds never moves the cursor of the one who reads the complaint") {
  const std::string said = Said(kGood + "\"\\e[2Jx\\n\": 1\nworkers: \"\\x07\\n\"\n");
  for (const char c : said) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
  CHECK(Contains(said, "the configuration has no key '\\x1b[2Jx\\x0a'"));
}

TEST_CASE("a file that is none, too big or unreadable is said so, whatever its size") {
  const auto said = [](const std::string& path) {
    Complaints complaints(path);
    ReadConfig(path, complaints);
    CHECK(complaints.has_errors());
    return complaints.Text();
  };
  CHECK(said("/nowhere.yaml") == "/nowhere.yaml: cannot read the file: No such file or directory\n");
  CHECK(said("/tmp") == "/tmp: cannot read the file: Is a directory\n");
  CHECK(said("/dev/zero") == "/dev/zero: cannot read the file: a configuration has at most 1 MiB, and this is more\n");
  CHECK(Contains(said("/dev/null"), "the file is empty"));
  const auto path = std::filesystem::temp_directory_path() / ("sgw-big-" + std::to_string(getpid()) + ".yaml");
  std::ofstream(path) << "a: b\n";
  std::filesystem::resize_file(path, 100 << 20);
  rusage before{};
  rusage after{};
  getrusage(RUSAGE_SELF, &before);
  CHECK(Contains(said(path), "at most 1 MiB"));
  getrusage(RUSAGE_SELF, &after);
  CHECK(after.ru_maxrss - before.ru_maxrss < 16 << 10);
  std::filesystem::remove(path);
}

TEST_CASE("a secret's file is looked for beside the configuration, and a reference may be shown") {
  const auto folder = std::filesystem::temp_directory_path() / ("sgw-secrets-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "pass.txt") << "hunter2\r\n";
  const std::string text = Replaced("issuer: x", "issuer: \"${file:pass.txt}\", mixed: \"a ${file:pass.txt} b\"");
  Complaints complaints("gateway.yaml");
  const auto config = ParseConfig(text, folder, complaints);
  REQUIRE_MESSAGE(config, complaints.Text());
  const Value* whole = config->plugins[0].settings.Find("issuer");
  CHECK(whole->text == "hunter2");
  CHECK(whole->reference == "${file:" + folder.string() + "/pass.txt}");
  const Value* mixed = config->plugins[0].settings.Find("mixed");
  CHECK(mixed->text == "a hunter2 b");
  CHECK(mixed->reference.empty());
  CHECK(mixed->is_secret);
  CHECK(Contains(Said(text, "/elsewhere"), "cannot take '/elsewhere/pass.txt': No such file or directory"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("a reference that is none is refused and shows nothing of another") {
  setenv("SGW_TEST_SECRET", "hunter2", 1);
  for (const char* bad :
       {"${SGW_TEST_SECRET}", "${env:SGW_TEST_SECRET}${", "${env:SGW_TEST_SECRET} ${vault:x}", "${}"}) {
    const std::string said = Said(Replaced("issuer: x", "issuer: \"" + std::string(bad) + "\""));
    CHECK(Contains(said, "is no reference; write ${env:NAME} or ${file:/path}"));
    CHECK_FALSE(Contains(said, "hunter2"));
  }
}

TEST_CASE("a path of names leads to the place of what is written there, as far as it is written") {
  Complaints complaints("x.yaml");
  const auto value = ParseYaml("a:\n  b.c: [1, {d: 2}]\n  b: 3\n", "", complaints);
  REQUIRE(value);
  const auto at = [&](const char* path) {
    const auto place = value->PlaceOf(path);
    return place ? std::to_string(place->line) + ":" + std::to_string(place->column) : "";
  };
  CHECK(at("a.b.c") == "2:8");
  CHECK(at("a.b.c[1].d") == "2:16");
  CHECK(at("a.b.c[7]") == "2:8");
  CHECK(at("a.b.c[") == "2:8");
  CHECK(at("a.b") == "3:6");
  CHECK(at("a.z") == "2:3");
  CHECK(at("ab").empty());
  CHECK(at("").empty());
  CHECK(at("[0]").empty());
}

TEST_CASE("the place of an empty value, and of null, is that of its key") {
  Complaints complaints("x.yaml");
  const auto value = ParseYaml("a:\n\n# nothing\nb: {c: , d: ~}\n", "/", complaints);
  REQUIRE(value);
  const auto place = [&](std::string_view path) {
    const Place found = value->PlaceOf(path).value_or(Place());
    return std::pair(found.line, found.column);
  };
  CHECK(place("a") == std::pair(1, 1));
  CHECK(place("b.c") == std::pair(4, 5));
  CHECK(place("b.d") == std::pair(4, 10));
}
