#include "auth_token.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <filesystem>
#include <fstream>

using namespace sgw::testing;
using sgw::plugins::ReadTokens;
using sgw::plugins::Token;
using sgw::plugins::TokenSettings;

namespace {

struct TokenFile {
  void Write(const std::string& text) const { std::ofstream(path) << text; }
  std::string settings() const { return R"({"path": ")" + path + R"("})"; }
  const TempDir folder;
  const std::string path = folder.path() + "/tokens.yaml";
};

PluginSource Source() { return Linked<Token, TokenSettings>(); }

// What `printf secret | sha256sum` says.
constexpr const char* kSecretHash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

}  // namespace

TEST_CASE("a known token has its subject, in either header and whatever the scheme's case") {
  TokenFile file;
  file.Write("- {sha256: " + std::string(kSecretHash) + ", subject: alice, groups: [ads]}\n");
  TestHost host;
  PluginUnderTest auth(host, Source(), file.settings());
  REQUIRE(auth.Start().Wait().ok());
  for (const char* header : {"authorization", "authentication"}) {
    const auto answer = auth.Authenticate(CallFrom("").Header(header, "bearer secret")).now();
    REQUIRE(answer.get<sgw::Identity>());
    CHECK(answer.get<sgw::Identity>()->subject == "alice");
    CHECK(answer.get<sgw::Identity>()->groups == std::vector<std::string>{"ads"});
  }
  CHECK(auth.Authenticate(CallFrom("").Header("authorization", "Bearer secre")).now().is_next());
  CHECK(auth.Authenticate(CallFrom("")).now().is_next());
  CHECK(host.Metric("spark_gateway_auth_token_unknown_total") == 1);
}

TEST_CASE("a token that has expired is refused") {
  TokenFile file;
  file.Write("- {sha256: " + std::string(kSecretHash) + ", subject: alice, expires: 2001-01-01T00:00:00Z}\n");
  TestHost host;
  PluginUnderTest auth(host, Source(), file.settings());
  REQUIRE(auth.Start().Wait().ok());
  CHECK(auth.Authenticate(CallFrom("").Header("authorization", "Bearer secret")).now().status().code() ==
        sgw::StatusCode::kUnauthenticated);
}

TEST_CASE("a service may act for people, of whom it says one, and nobody else may") {
  TokenFile file;
  file.Write("- {sha256: " + std::string(kSecretHash) + ", subject: playground, groups: [ads]}\n");
  TestHost host;
  const auto ask = [&](const std::string& services, const std::string& person) {
    PluginUnderTest auth(host, Source(),
                         R"({"path": ")" + file.path + R"(", "delegation": [{"services": [")" + services +
                             R"("], "groups": ["play-users"]}]})");
    REQUIRE(auth.Start().Wait().ok());
    auto call = CallFrom("").Header("authorization", "Bearer secret");
    if (!person.empty()) call.Header("x-spark-act-for", person);
    return auth.Authenticate(call).now();
  };
  const auto carol = ask("playground", "carol");
  REQUIRE(carol.get<sgw::Identity>());
  CHECK(carol.get<sgw::Identity>()->subject == "carol");
  CHECK(carol.get<sgw::Identity>()->actor == "playground");
  CHECK(carol.get<sgw::Identity>()->groups == std::vector<std::string>{"play-users"});
  CHECK(ask("playground", "").get<sgw::Identity>()->subject == "playground");
  CHECK(ask("another", "carol").status().code() == sgw::StatusCode::kPermissionDenied);
}

TEST_CASE("a delegation that is for nobody, or takes a credential for a person's name, is refused") {
  TokenFile file;
  file.Write("");
  const auto refusal = [&](const std::string& delegation) {
    TestHost host;
    const std::string settings = R"({"path": ")" + file.path + R"(", "delegation": [)" + delegation + "]}";
    return PluginUnderTest(host, Source(), settings).created().message();
  };
  CHECK(refusal(R"({"services": ["play"], "groups": []})") == "");
  CHECK(refusal(R"({"services": ["play"], "groups": [], "header": "X-Act-For"})") == "");
  CHECK(refusal(R"({"services": [], "groups": ["g"]})") ==
        "delegation[0]: services: names nobody who may act for others");
  CHECK(refusal(R"({"services": ["play"], "groups": ["g"], "header": ""})") ==
        "delegation[0]: header: '' is no name of a header");
  CHECK(refusal(R"({"services": ["play"], "groups": ["g"], "header": ":path"})") ==
        "delegation[0]: header: ':path' is no name of a header");
  CHECK(refusal(R"({"services": ["play"], "groups": ["g"], "header": "Authorization"})") ==
        "delegation[0]: header: 'Authorization' carries a credential, and no name of a person");
}

TEST_CASE("a time that is too far away to count is far away") {
  TokenFile file;
  for (const auto& [when, is_good] : std::map<std::string, bool>{{"2300", true}, {"9999", true}, {"1600", false}}) {
    const std::string year = when;
    CAPTURE(year);
    file.Write("- {sha256: " + std::string(kSecretHash) + ", subject: alice, expires: " + year + "-01-01T00:00:00Z}\n");
    TestHost host;
    PluginUnderTest auth(host, Source(), file.settings());
    REQUIRE(auth.Start().Wait().ok());
    const auto answer = auth.Authenticate(CallFrom("").Header("authorization", "Bearer secret")).now();
    CHECK((answer.get<sgw::Identity>() != nullptr) == is_good);
  }
}

TEST_CASE("a token is good until its time is over") {
  TokenFile file;
  file.Write("- {sha256: " + std::string(kSecretHash) + ", subject: alice, expires: 2027-01-31T00:00:00Z}\n");
  TestHost host;
  const sgw::WallTime end{std::chrono::seconds(1'801'353'600)};  // date -d 2027-01-31T00:00:00Z +%s
  host.SetWallClock(end - std::chrono::seconds(1));
  PluginUnderTest auth(host, Source(), file.settings());
  REQUIRE(auth.Start().Wait().ok());
  const auto ask = [&] { return auth.Authenticate(CallFrom("").Header("authorization", "Bearer secret")).now(); };
  REQUIRE(ask().get<sgw::Identity>());
  CHECK(ask().get<sgw::Identity>()->expiry == end);
  host.SetWallClock(end);
  CHECK(ask().status().code() == sgw::StatusCode::kUnauthenticated);
  CHECK(ask().status().message().find("secret") == std::string::npos);
}

TEST_CASE("a token that is added while the gateway runs is good at once, and one that is removed no more") {
  TokenFile file;
  file.Write("");
  TestHost host;
  PluginUnderTest auth(host, Source(), file.settings());
  REQUIRE(auth.Start().Wait().ok());
  const auto ask = [&] { return auth.Authenticate(CallFrom("").Header("authorization", "Bearer secret")).now(); };
  CHECK(ask().is_next());
  file.Write("- {sha256: " + std::string(kSecretHash) + ", subject: alice, user_name: Alice Doe}\n");
  host.ChangeFile(file.path);
  host.RunPending();
  REQUIRE(ask().get<sgw::Identity>());
  CHECK(ask().get<sgw::Identity>()->user_name == "Alice Doe");
  CHECK(host.Metric("spark_gateway_auth_token_tokens") == 1);
  const std::size_t forgotten = host.forgotten_identities();
  file.Write("");
  host.ChangeFile(file.path);
  host.RunPending();
  CHECK(ask().is_next());
  // No connection remembers whose the removed one was.
  CHECK(host.forgotten_identities() == forgotten + 1);
}

TEST_CASE("a file that breaks keeps the last good tokens and says so once") {
  TokenFile file;
  file.Write("- {sha256: " + std::string(kSecretHash) + ", subject: alice}\n");
  TestHost host;
  PluginUnderTest auth(host, Source(), file.settings());
  REQUIRE(auth.Start().Wait().ok());
  file.Write("- {sha256: nonsense, subject: alice}\n");
  host.ChangeFile(file.path);
  host.RunPending();
  CHECK(auth.Authenticate(CallFrom("").Header("authorization", "Bearer secret")).now().get<sgw::Identity>());
  CHECK(host.Logged("stay good"));
  file.Write("");
  host.ChangeFile(file.path);
  host.RunPending();
  CHECK(auth.Authenticate(CallFrom("").Header("authorization", "Bearer secret")).now().is_next());
}

TEST_CASE("each mistake in the file is said with its line") {
  const auto said = [](const std::string& text) { return ReadTokens(text).status().message(); };
  CHECK(said("- {sha256: " + std::string(kSecretHash) + ", subject: a,\n   subject: b}\n") ==
        "line 2: 'subject' stands here a second time");
  CHECK(said("a: b\n").find("line 1: the file is a list") != std::string::npos);
  CHECK(said("- {sha256: 12, subject: a}\n").find("64 lower-case") != std::string::npos);
  CHECK(said("- {sha256: " + std::string(kSecretHash) + "}\n").find("needs a subject") != std::string::npos);
  CHECK(said("- {sha256: " + std::string(kSecretHash) + ", subject: a, expires: soon}\n").find("expires must be") !=
        std::string::npos);
  CHECK(said("- {sha: x}\n").find("there is no 'sha'") != std::string::npos);
  CHECK(said("- [").find("line ") == 0);
  const std::string entry = "- {sha256: " + std::string(kSecretHash) + ", subject: a}\n";
  for (const char* more : {"---\n- {}\n", "...\n- {}\n"})
    CHECK(said(entry + more).find("the file has more than one document") < 20);
  CHECK(said("[]\n" + entry).find("the file has more than one document") < 20);
  // A parser that waits for the last document of these never comes to it.
  for (const char* endless : {",", ", a", "[]\n, {}\n", "]", "}"}) CHECK(said(endless).find("line ") == 0);
  for (const std::string& whole : {"---\n" + entry, entry + "...\n", entry + "# more\n"}) CHECK(said(whole).empty());
}

TEST_CASE("a file that is not there or has a mistake is said when the instance is made") {
  const auto created = [](const std::string& path) {
    TestHost host;
    return std::string(PluginUnderTest(host, Source(), R"({"path": ")" + path + R"("})").created().message());
  };
  CHECK(created("/nowhere/tokens.yaml") == "path: cannot read /nowhere/tokens.yaml: No such file or directory");
  CHECK(created("/") == "path: cannot read /: Is a directory");
  TokenFile file;
  file.Write("- {sha: x}\n");
  CHECK(created(file.path).find("path: " + file.path + ": line 1: there is no 'sha'") == 0);
}
