#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <optional>
#include <string>

using namespace sgw;
using namespace sgw::testing;

namespace {

// The portal's answers in the hands of the test.
struct Rig {
  Rig() : portal(host, Loaded(SGW_PLUGIN_FILE), R"({"url": "http://portal.example"})") {
    host.OnHttp([this](const HttpRequest&) { return answer; });
    REQUIRE(portal.Start().Wait().ok());
  }
  AuthAnswer Ask(const std::string& token) {
    return portal.Authenticate(AnyCall().Header("authorization", "Bearer " + token)).Wait();
  }

  std::optional<Result<HttpResponse>> answer;
  TestHost host;
  PluginUnderTest portal;
};

}  // namespace

TEST_CASE("the portal says who a token belongs to") {
  Rig rig;
  rig.answer = HttpResponse{.status = 200, .body = R"({"user": "alice", "teams": ["ads", "ml"]})"};

  const AuthAnswer answer = rig.Ask("ptl_1");

  REQUIRE(answer.get<Identity>());
  CHECK(answer.get<Identity>()->subject == "alice");
  CHECK(answer.get<Identity>()->groups == std::vector<std::string>{"ads", "ml"});
  const HttpRequest asked = rig.host.http_requests().at(0);
  CHECK(asked.method == "POST");
  CHECK(asked.url == "http://portal.example/introspect");
  CHECK(asked.body == "ptl_1");
  CHECK(asked.timeout == 2s);
}

TEST_CASE("a token of another kind is not the portal's to judge") {
  Rig rig;
  CHECK(rig.Ask("eyJhbGciOiJSUzI1NiJ9.e30.x").is_next());
  CHECK(rig.host.http_requests().empty());
}

TEST_CASE("a token that the portal does not know is refused, in words that help") {
  Rig rig;
  for (const HttpResponse& reply : {HttpResponse{.status = 404}, HttpResponse{.status = 200, .body = "<html>"}}) {
    rig.answer = reply;
    const Status status = rig.Ask("ptl_2").status();
    CHECK(status.code() == StatusCode::kUnauthenticated);
    CHECK(status.message().find("https://portal/tokens") != std::string::npos);
  }
}

TEST_CASE("a portal that does not answer lets nobody in") {
  Rig rig;
  for (const Result<HttpResponse>& reply :
       {Result<HttpResponse>(HttpResponse{.status = 503}), Result<HttpResponse>(Unavailable("connection refused"))}) {
    rig.answer = reply;
    const Status status = rig.Ask("ptl_3").status();
    CHECK(status.code() == StatusCode::kUnavailable);
    CHECK(status.retry_delay() == 5s);
  }
}

TEST_CASE("an answer without a user lets nobody in") {
  Rig rig;
  rig.answer = HttpResponse{.status = 200, .body = R"({"teams": ["ads"]})"};
  CHECK(rig.Ask("ptl_4").status().code() == StatusCode::kInternal);
}
