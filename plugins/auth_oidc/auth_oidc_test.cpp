#include "auth_oidc.h"

#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <ctime>

#include "signer.h"

using namespace sgw;
using namespace sgw::plugins;
using namespace sgw::testing;
using sgw::plugins::testing::Signer;
using sgw::plugins::testing::SignShared;

namespace {

constexpr const char* kIssuer = "https://id.example";

std::string SettingsWith(const std::string& more = "") {
  return R"({"issuer":"https://id.example","audiences":["spark-gateway"])" + (more.empty() ? "" : "," + more) + "}";
}

// An identity provider in the hands of the test, and a plugin that trusts it.
struct Rig {
  explicit Rig(const std::string& more = "")
      : plugin(host, Linked<Oidc, OidcSettings>(), SettingsWith(more)), signer("k1", "P-256") {
    keys = signer.Jwks();
    host.SetWallClock(At(1'000'000));
    host.OnHttp([this](const HttpRequest& request) { return Answer(request); });
  }

  static WallTime At(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }
  std::optional<Result<HttpResponse>> Answer(const HttpRequest& request) {
    if (is_down) return Unavailable("connection refused");
    if (is_silent) return std::nullopt;
    if (request.url == std::string(kIssuer) + "/.well-known/openid-configuration") {
      return HttpResponse{.status = status, .body = discovery};
    }
    if (request.url == std::string(kIssuer) + "/keys") {
      return HttpResponse{.status = status, .headers = headers, .body = keys};
    }
    return HttpResponse{.status = 404};
  }
  void Start() {
    auto started = plugin.Start();
    host.RunPending();
    REQUIRE(started.Wait().ok());
  }
  std::size_t asked() const { return host.http_requests().size(); }

  // A good token's claims with one of them replaced, added or (an empty value) left out.
  static std::string Claims(const std::string& name = "", const std::string& value = "") {
    StringMap all = {{"iss", R"("https://id.example")"},
                     {"aud", R"("spark-gateway")"},
                     {"sub", R"("alice")"},
                     {"exp", "1000600"},
                     {"groups", R"(["ads","ml"])"}};
    bool is_there = name.empty();
    for (auto& [key, text] : all) {
      if (key == name) text = value, is_there = true;
    }
    if (!is_there) all.emplace_back(name, value);
    std::string claims = "{";
    for (const auto& [key, text] : all) {
      if (!text.empty()) claims += (claims.size() > 1 ? ",\"" : "\"") + key + "\":" + text;
    }
    return claims + "}";
  }

  Asked<AuthAnswer> Send(const std::string& token) { return plugin.Authenticate(AnyCall().Bearer(token)); }
  AuthAnswer Ask(const std::string& token) {
    auto asked = Send(token);
    host.RunPending();
    return asked.Wait();
  }
  AuthAnswer AskWith(const std::string& name, const std::string& value) {
    return Ask(signer.Sign("ES256", Claims(name, value)));
  }

  std::string discovery = R"({"issuer":"https://id.example","jwks_uri":"https://id.example/keys"})";
  std::string keys;
  StringMap headers;
  int status = 200;
  bool is_down = false;
  bool is_silent = false;
  TestHost host;
  PluginUnderTest plugin;
  Signer signer;
};

bool IsRefused(const AuthAnswer& answer) { return answer.status().code() == StatusCode::kUnauthenticated; }

// A token that could not be checked, with this pause.
bool IsUnchecked(const AuthAnswer& answer, Duration pause) {
  return answer.status().code() == StatusCode::kUnavailable && answer.status().retry_delay() == pause;
}

std::string Stranger(const std::string& key = "k9") { return Signer(key, "P-256").Sign("ES256", Rig::Claims()); }

}  // namespace

void sgw::testing::PrepareForConformance(TestHost& host) {
  host.OnHttp([keys = Signer("k1", "P-256").Jwks()](const HttpRequest& request) {
    const bool is_discovery = request.url.find("/.well-known/") != std::string::npos;
    return HttpResponse{
        .status = 200,
        .body = is_discovery ? R"({"issuer":"https://id.example","jwks_uri":"https://id.example/keys"})" : keys};
  });
}

TEST_CASE("a good token says who calls") {
  Rig rig(R"("claims":["email"],"user_name":"name")");
  rig.Start();

  const AuthAnswer answer = rig.Ask(
      rig.signer.Sign("ES256", R"({"iss":"https://id.example","aud":["x","spark-gateway"],"sub":"alice","exp":1000600,)"
                               R"("groups":["ads","ml"],"name":"Alice A","email":"a@x"})"));

  const auto* identity = answer.get<Identity>();
  REQUIRE_MESSAGE(identity, answer.status().message());
  CHECK(identity->subject == "alice");
  CHECK(identity->user_name == "Alice A");
  CHECK(identity->groups == std::vector<std::string>{"ads", "ml"});
  CHECK(identity->claims == StringMap{{"email", "a@x"}});
  CHECK(identity->expiry == Rig::At(1'000'660));  // with the leeway
}

TEST_CASE("the tokens of well-known providers are read by configuration alone") {
  struct Example {
    const char* name;
    const char* settings;
    const char* claims;
    const char* subject;
    std::vector<std::string> groups;
  };
  const std::vector<Example> examples = {
      {"Okta",
       R"("subject":"sub","groups":["groups"])",
       R"("sub":"a@acme.com","groups":["ads"])",
       "a@acme.com",
       {"ads"}},
      {"Entra",
       R"("subject":"oid","groups":["roles","groups"])",
       R"("sub":"xyz","oid":"0a1b","roles":["Spark.User"],"groups":["g1"])",
       "0a1b",
       {"Spark.User", "g1"}},
      {"Google",
       R"("subject":"email","groups":["hd"])",
       R"("sub":"1","email":"a@acme.com","hd":"acme.com")",
       "a@acme.com",
       {"acme.com"}},
      {"Keycloak",
       R"("subject":"sub","groups":["/realm_access/roles"])",
       R"("sub":"u1","realm_access":{"roles":["ads"]})",
       "u1",
       {"ads"}},
      {"Kubernetes",
       R"("groups":["/kubernetes.io/namespace"])",
       R"("sub":"system:serviceaccount:ads:etl","kubernetes.io":{"namespace":"ads","pod":{"name":"p"}})",
       "system:serviceaccount:ads:etl",
       {"ads"}},
      {"GitHub Actions",
       R"("groups":["repository_owner","repository"])",
       R"("sub":"repo:acme/etl:ref:refs/heads/main","repository":"acme/etl","repository_owner":"acme")",
       "repo:acme/etl:ref:refs/heads/main",
       {"acme", "acme/etl"}},
      {"Buildkite",
       R"("groups":["pipeline_slug"])",
       R"("sub":"organization:acme:pipeline:etl:ref:refs/heads/main:commit:c:step:","pipeline_slug":"etl")",
       "organization:acme:pipeline:etl:ref:refs/heads/main:commit:c:step:",
       {"etl"}},
  };
  for (const Example& example : examples) {
    CAPTURE(example.name);
    Rig rig(example.settings);
    rig.Start();
    const AuthAnswer answer =
        rig.Ask(rig.signer.Sign("ES256", R"({"iss":"https://id.example","aud":"spark-gateway","exp":1000600,)" +
                                             std::string(example.claims) + "}"));
    const auto* identity = answer.get<Identity>();
    REQUIRE_MESSAGE(identity, answer.status().message());
    CHECK(identity->subject == example.subject);
    CHECK(identity->groups == example.groups);
  }
}

TEST_CASE("what is not a token of this provider is left to the next step") {
  Rig rig;
  rig.Start();
  CHECK(rig.plugin.Authenticate(AnyCall()).Wait().is_next());
  CHECK(rig.Ask("ptl_opaque").is_next());
  CHECK(rig.Ask("eyJub3RhdG9rZW4").is_next());
  for (const char* issuer : {R"("https://id.example/")", R"("https://id.example.evil")", R"("https://id")", "7", ""}) {
    CHECK(rig.AskWith("iss", issuer).is_next());
  }
}

TEST_CASE("a token in the header of older JVM clients is read, too") {
  Rig rig;
  rig.Start();
  auto asked =
      rig.plugin.Authenticate(AnyCall().Header("authentication", "Bearer " + rig.signer.Sign("ES256", Rig::Claims())));
  CHECK(asked.Wait().get<Identity>());
}

TEST_CASE("each bad token is refused") {
  Rig rig(R"("algorithms":["RS256","ES256"],"required_claims":{"tier":"gold"})");
  const Signer other("k1", "P-256");
  const Signer rsa("r1", "RSA");
  rig.keys = R"({"keys":[)" + rig.signer.Jwk() + "," + rsa.Jwk() + "]}";
  rig.Start();
  const std::string good_claims = Rig::Claims("tier", R"("gold")");
  const std::string good = rig.signer.Sign("ES256", good_claims);
  REQUIRE(rig.Ask(good).get<Identity>());
  const std::string es256 = R"({"alg":"ES256","kid":"k1"})";
  const std::string es256_open = R"({"alg":"ES256","kid":"k1",)";
  const auto with = [&](const std::string& name, const std::string& value) {
    std::string claims = Rig::Claims(name, value);
    claims.insert(1, R"("tier":"gold",)");
    return rig.signer.Sign("ES256", claims);
  };
  const std::string tail = good.substr(good.find('.'));
  const auto header = [&](const std::string& json) { return rig.signer.SignParts(json, good_claims); };
  const StringMap bad = {
      {"alg none", header(R"({"alg":"ES256","kid":"k1"})").replace(0, good.find('.'), "eyJhbGciOiJub25lIn0")},
      {"alg nOnE", header(es256).replace(0, good.find('.'), "eyJhbGciOiJuT25FIn0")},
      {"no signature", good.substr(0, good.rfind('.') + 1)},
      {"HS256 with the RSA key", SignShared(rsa.Pem(), R"({"alg":"HS256","kid":"r1"})", good_claims)},
      {"an algorithm that is not allowed", rsa.SignParts(R"({"alg":"PS256","kid":"r1"})", good_claims)},
      {"an algorithm of another key", rsa.SignParts(R"({"alg":"RS256","kid":"k1"})", good_claims)},
      {"another key of that name", other.Sign("ES256", good_claims)},
      {"an unknown key", Signer("k9", "P-256").Sign("ES256", good_claims)},
      {"a key id that is a path", rig.signer.SignParts(R"({"alg":"ES256","kid":"/dev/null"})", good_claims)},
      {"a key id of 64 KiB",
       rig.signer.SignParts(R"({"alg":"ES256","kid":")" + std::string(65536, 'k') + R"("})", good_claims)},
      {"an own key in the header", other.SignParts(es256_open + R"("jwk":)" + other.Jwk() + "}", good_claims)},
      {"an own key in the header, of another name",
       Signer("k8", "P-256").SignParts(R"({"alg":"ES256","kid":"k8","jwk":)" + other.Jwk() + "}", good_claims)},
      {"a place of keys (jku)", other.SignParts(es256_open + R"("jku":"https://id.evil/keys"})", good_claims)},
      {"a place of keys (jku), and an unknown key",
       other.SignParts(R"({"alg":"ES256","kid":"k8","jku":"https://id.evil/keys"})", good_claims)},
      {"a place of certificates (x5u)", other.SignParts(es256_open + R"("x5u":"https://id.evil/crt"})", good_claims)},
      {"certificates (x5c)", other.SignParts(es256_open + R"("x5c":["MIIB"]})", good_claims)},
      {"crit", header(es256_open + R"("crit":["x"],"x":1})")},
      {"nested", header(es256_open + R"("cty":"JWT"})")},
      {"a logout token by its header", header(es256_open + R"("typ":"logout+jwt"})")},
      {"a proof of possession", header(es256_open + R"("typ":"dpop+jwt"})")},
      {"a logout token", with("events", R"({"http://schemas.openid.net/event/backchannel-logout":{}})")},
      {"a logout token of Keycloak", with("typ", R"("Logout")")},
      {"a refresh token of Keycloak", with("typ", R"("Refresh")")},
      {"a token that is bound to its holder", with("cnf", R"({"jkt":"x"})")},
      {"encrypted", good + ".x.y"},
      {"four parts", good + ".x"},
      {"padding", good + "="},
      {"trailing bytes", good + "AAAA"},
      {"1 MiB", rig.signer.Sign("ES256", R"({"iss":"https://id.example","x":")" + std::string(1 << 20, 'x') + R"("})")},
      {"deep JSON", rig.signer.Sign("ES256", R"({"iss":"https://id.example","x":)" + std::string(200, '[') +
                                                 std::string(200, ']') + "}")},
      {"duplicate keys", rig.signer.Sign("ES256", R"({"iss":"https://id.example","sub":"a","sub":"b"})")},
      {"invalid UTF-8", rig.signer.Sign("ES256", "{\"iss\":\"https://id.example\",\"sub\":\"\xFF\"}")},
      {"no audience", with("aud", "")},
      {"another audience", with("aud", R"("other")")},
      {"an audience of another type", with("aud", R"({"spark-gateway":true})")},
      {"no expiry", with("exp", "")},
      {"expiry as a text", with("exp", R"("1000600")")},
      {"negative expiry", with("exp", "-1")},
      {"huge expiry", with("exp", "1e400")},
      {"expired just outside the leeway", with("exp", "999940")},
      {"not yet, just outside the leeway", with("nbf", "1000061")},
      {"nobody", with("sub", "")},
      {"a subject that is empty", with("sub", R"("")")},
      {"a subject that is a number", with("sub", "7")},
      {"a subject with a line break", with("sub", R"("a\nb")")},
      {"a subject of 1 KiB", with("sub", "\"" + std::string(1024, 'a') + "\"")},
      {"an ID token with nonce", with("nonce", R"("n")")},
      {"an ID token with at_hash", with("at_hash", R"("h")")},
      {"an ID token with c_hash", with("c_hash", R"("h")")},
      {"an ID token with s_hash", with("s_hash", R"("h")")},
      {"an ID token of Keycloak", with("typ", R"("ID")")},
      {"a required claim with another value", rig.signer.Sign("ES256", Rig::Claims("tier", R"("silver")"))},
      {"no required claim", rig.signer.Sign("ES256", Rig::Claims())},
  };
  for (const auto& [name, token] : bad) {
    CAPTURE(name);
    rig.host.Advance(31s);  // The provider may be asked for a key.
    rig.host.SetWallClock(Rig::At(1'000'000));
    const std::clock_t begin = std::clock();
    const AuthAnswer answer = rig.Ask(token);
    CHECK(std::clock() - begin < CLOCKS_PER_SEC);  // of the processor; it is well under a millisecond
    CHECK(answer.get<Identity>() == nullptr);
    CHECK_MESSAGE(IsRefused(answer), answer.status().message());
    CHECK(answer.status().message().find(tail.substr(1, 20)) == std::string::npos);  // nothing of a token is shown
  }
  for (const HttpRequest& request : rig.host.http_requests()) {
    CHECK(request.url.starts_with(std::string(kIssuer) + "/"));  // never what a token points to
  }
}

TEST_CASE("nothing that a token brings along or points to makes the provider be asked, when its key is here") {
  Rig rig;
  rig.Start();
  const Signer own("k1", "P-256");
  const std::size_t before = rig.asked();
  for (const std::string& member : {std::string(R"("jku":"https://id.evil/keys")"),
                                    std::string(R"("x5u":"https://id.evil/crt")"), R"("jwk":)" + own.Jwk()}) {
    CAPTURE(member);
    rig.host.Advance(31s);
    CHECK(IsRefused(rig.Ask(own.SignParts(R"({"alg":"ES256","kid":"k1",)" + member + "}", Rig::Claims()))));
    // A good signature is good without it.
    CHECK(rig.Ask(rig.signer.SignParts(R"({"alg":"ES256","kid":"k1",)" + member + "}", Rig::Claims())).get<Identity>());
    CHECK(rig.asked() == before);
  }
}

TEST_CASE("a token is read after the scheme and its spaces, and odd spacing lets nobody in") {
  Rig rig;
  rig.Start();
  const std::string token = rig.signer.Sign("ES256", Rig::Claims());
  const auto ask = [&](const std::string& value) {
    return rig.plugin.Authenticate(AnyCall().Header("authorization", value)).Wait();
  };
  for (const std::string& value : {"Bearer " + token, "bearer " + token, "BEARER   " + token}) {  // RFC 9110, 11.4
    CAPTURE(value.substr(0, 12));
    CHECK(ask(value).get<Identity>());
  }
  const std::size_t dot = token.find('.');
  for (const std::string& value :
       {token, "Bearer" + token, "Bearer\t" + token, "Bearer \t" + token, "Bearer\xC2\xA0" + token, " Bearer " + token,
        "Bearer ," + token, "Bearer " + token + ", Bearer " + token, "Bearer " + token + " x", "Bearer " + token + "\t",
        "Bearer " + token + std::string(1, '\0'), "Bearer Bearer " + token, "Basic " + token, "Bearer=" + token,
        "Bearer " + token.substr(0, dot) + " " + token.substr(dot)}) {
    CAPTURE(value.substr(0, 12));
    const AuthAnswer answer = ask(value);
    CHECK(answer.get<Identity>() == nullptr);
    CHECK((answer.is_next() || IsRefused(answer)));
  }
}

TEST_CASE("of two authorization headers the first decides, and a bad one is not passed over") {
  Rig rig;
  rig.Start();
  const std::string good = rig.signer.Sign("ES256", Rig::Claims());
  const std::string bad = Signer("k1", "P-256").Sign("ES256", Rig::Claims());
  CHECK(IsRefused(rig.plugin.Authenticate(AnyCall().Bearer(bad).Bearer(good)).Wait()));
  CHECK(IsRefused(rig.plugin.Authenticate(AnyCall().Bearer(bad).Header("authentication", "Bearer " + good)).Wait()));
  CHECK(rig.plugin.Authenticate(AnyCall().Bearer("opaque").Bearer(good)).Wait().is_next());
}

TEST_CASE("clocks may differ by the leeway") {
  Rig rig;
  rig.Start();
  CHECK(rig.AskWith("exp", "999941").get<Identity>());
  CHECK(rig.AskWith("nbf", "1000060").get<Identity>());
}

TEST_CASE("a token that was checked is remembered, not checked again, until it ends") {
  Rig rig(R"("remember":3600000)");
  rig.Start();
  const std::string token = rig.signer.Sign("ES256", Rig::Claims());
  CHECK(rig.Ask(token).get<Identity>());
  CHECK(rig.Ask(token).get<Identity>());
  CHECK(rig.host.Metric("spark_gateway_auth_oidc_tokens_total", {{"result", "checked"}}) == 1);
  CHECK(rig.host.Metric("spark_gateway_auth_oidc_tokens_total", {{"result", "remembered"}}) == 1);
  rig.host.SetWallClock(Rig::At(1'000'661));
  CHECK(IsRefused(rig.Ask(token)));
}

TEST_CASE("a token that has ended is good for running sessions only, and only with grace") {
  Rig strict;
  strict.Start();
  const AuthAnswer refused = strict.AskWith("exp", "999000");
  CHECK(IsRefused(refused));
  CHECK(refused.status().message().find("Get a new one") != std::string::npos);

  Rig rig(R"("on_expired":"grace","grace":3600000)");
  rig.Start();
  const AuthAnswer lapsed = rig.AskWith("exp", "999000");
  REQUIRE(lapsed.get<Lapsed>());
  CHECK(lapsed.get<Lapsed>()->identity.subject == "alice");
  CHECK(lapsed.get<Lapsed>()->refusal.code() == StatusCode::kUnauthenticated);
  CHECK(IsRefused(rig.AskWith("exp", "990000")));  // longer ago than the grace
  CHECK(IsRefused(rig.Ask(Signer("k1", "P-256").Sign("ES256", Rig::Claims("exp", "999000")))));
}

TEST_CASE("a new key is fetched when a token names it, once per floor however many ask") {
  Rig rig;
  rig.Start();
  const std::size_t before = rig.asked();
  const Signer next("k2", "P-256");
  rig.keys = R"({"keys":[)" + rig.signer.Jwk() + "," + next.Jwk() + "]}";
  rig.host.Advance(31s);

  std::vector<Asked<AuthAnswer>> asked;
  for (int i = 0; i < 20; ++i) {
    asked.push_back(rig.Send(next.Sign("ES256", Rig::Claims("sub", "\"user" + std::to_string(i) + "\""))));
  }
  rig.host.RunPending();
  for (auto& one : asked) CHECK(one.Wait().get<Identity>());
  CHECK(rig.asked() == before + 2);  // the discovery document and the keys

  for (int i = 0; i < 20; ++i) CHECK(IsUnchecked(rig.Ask(Stranger()), 30s));
  CHECK(rig.asked() == before + 2);
}

TEST_CASE("a token with an unknown key is refused after an answer to a later question, and could else not be checked") {
  Rig rig;
  rig.Start();
  CHECK(IsUnchecked(rig.Ask(Stranger()), 30s));  // The keys came before the question, and the floor holds back.
  rig.host.Advance(10s);
  CHECK(IsUnchecked(rig.Ask(Stranger()), 20s));
  rig.host.Advance(21s);
  CHECK(IsRefused(rig.Ask(Stranger())));
  CHECK(IsUnchecked(rig.Ask(Stranger()), 30s));
  rig.is_down = true;
  rig.host.Advance(31s);
  CHECK(IsUnchecked(rig.Ask(Stranger()), 30s));
  CHECK(rig.host.Metric("spark_gateway_auth_oidc_tokens_total", {{"result", "unchecked"}}) == 4);
}

TEST_CASE("an answer that was under way refuses nobody who asks meanwhile, and lets in whom it can") {
  Rig rig(R"("jwks_url":"https://id.example/keys")");
  rig.Start();
  rig.host.Advance(31s);
  rig.is_silent = true;
  const Signer next("k2", "P-256");
  auto first = rig.Send(Stranger());
  rig.host.RunPending();  // The request goes out.
  auto late = rig.Send(Stranger());
  auto good = rig.Send(next.Sign("ES256", Rig::Claims()));
  CHECK(rig.asked() == 2);
  rig.host.Advance(9s);
  CHECK_FALSE((first.is_answered() || late.is_answered() || good.is_answered()));
  rig.host.FinishHttp(HttpResponse{.status = 200, .body = next.Jwks()});
  CHECK(IsRefused(first.Wait()));
  CHECK(IsUnchecked(late.Wait(), 21s));
  CHECK(good.Wait().get<Identity>());
  CHECK(rig.asked() == 2);
}

TEST_CASE("a refresh that comes due while a key is asked for is no second request") {
  Rig rig(R"("jwks_url":"https://id.example/keys","refresh":40000)");
  rig.Start();
  rig.host.Advance(31s);
  rig.is_silent = true;
  auto asked = rig.Send(Stranger());
  rig.host.Advance(5min);
  CHECK(rig.asked() == 2);
  rig.host.FinishHttp(Unavailable("timed out"));
  CHECK(IsUnchecked(asked.Wait(), 1s));
}

TEST_CASE("a storm of made-up keys is one request, and who finds no room to wait hears it at once") {
  Rig rig(R"("jwks_url":"https://id.example/keys")");
  rig.Start();
  rig.host.Advance(31s);
  rig.is_silent = true;
  const std::string token = Stranger();
  std::vector<Asked<AuthAnswer>> waiting;
  for (int i = 0; i < 1000; ++i) {
    waiting.push_back(rig.Send(token));
    rig.host.Advance(1ms);
  }
  CHECK(IsUnchecked(rig.Ask(token), 29s));
  CHECK(rig.asked() == 2);
  CHECK(std::none_of(waiting.begin(), waiting.end(), [](const auto& one) { return one.is_answered(); }));
  rig.is_silent = false;
  rig.host.FinishHttp(Unavailable("timed out"));
  for (const auto& one : waiting) CHECK(IsUnchecked(one.Wait(), 29s));
}

TEST_CASE("a withdrawn key ends what it had signed, also what was remembered") {
  Rig rig;
  rig.Start();
  const std::string token = rig.signer.Sign("ES256", Rig::Claims("exp", "2000000"));
  CHECK(rig.Ask(token).get<Identity>());
  rig.keys = Signer("k2", "P-256").Jwks();
  rig.host.Advance(15min);
  CHECK(rig.host.forgotten_identities() == 1);
  CHECK(IsRefused(rig.Ask(token)));
}

TEST_CASE("the keys are fetched again ahead of their age, and before it when the provider says so") {
  Rig rig;
  rig.Start();
  rig.host.Advance(11min);
  CHECK(rig.asked() == 2);
  rig.headers = {{"cache-control", "public, max-age=100"}};
  rig.host.Advance(1min + 1s);
  CHECK(rig.asked() == 4);
  rig.host.Advance(81s);
  CHECK(rig.asked() == 6);
}

TEST_CASE("keys that are refreshed all the time leave room to ask for an unknown one") {
  Rig rig(R"("refresh":30000)");
  rig.headers = {{"cache-control", "max-age=0"}};
  rig.Start();
  for (int i = 0; i < 3; ++i) {
    CHECK(IsUnchecked(rig.Ask(Stranger()), 30s));
    rig.host.Advance(30s);
    CHECK(IsRefused(rig.Ask(Stranger())));
  }
}

TEST_CASE("a provider that does not answer lets nobody in and keeps nobody out whose keys are here") {
  Rig rig;
  rig.Start();
  rig.is_down = true;
  rig.host.Advance(1h);
  CHECK(rig.AskWith("exp", "2000000").get<Identity>());
  CHECK(rig.host.Logged("cannot be had") == 1);  // once, however often it was tried
  rig.host.Advance(24h);
  CHECK(rig.AskWith("exp", "2000000").status().code() == StatusCode::kUnavailable);
  rig.is_down = false;
  rig.host.Advance(2min);
  CHECK(rig.AskWith("exp", "2000000").get<Identity>());
  CHECK(rig.host.Logged("answers again") == 1);
}

TEST_CASE("keys that are too old let nobody in, not even who is remembered, and not while the provider hangs either") {
  for (const bool hangs : {false, true}) {
    CAPTURE(hangs);
    Rig rig(R"("refresh":60000,"keep_keys":100000,"remember":3600000)");
    rig.Start();
    const std::string token = rig.signer.Sign("ES256", Rig::Claims("exp", "2000000"));
    CHECK(rig.Ask(token).get<Identity>());
    (hangs ? rig.is_silent : rig.is_down) = true;
    rig.host.Advance(100s);
    CHECK(rig.asked() > 2);
    CHECK(rig.Ask(token).get<Identity>());
    CHECK(rig.host.forgotten_identities() == 0);

    // Also who calls on a connection of which the gateway knows whose it is.
    rig.host.Advance(1s);
    CHECK(rig.host.forgotten_identities() == 1);
    CHECK(IsUnchecked(rig.Ask(token), 10s));
    CHECK(rig.host.Metric("spark_gateway_auth_oidc_keys") == 0);
    CHECK(rig.host.Logged("older than keep_keys") == 1);
    rig.host.Advance(1h);
    CHECK(rig.host.forgotten_identities() == 1);

    rig.is_down = rig.is_silent = false;
    rig.host.FinishHttp(Unavailable("timed out"));
    rig.host.Advance(2min);
    CHECK(rig.Ask(token).get<Identity>());
    CHECK(rig.host.Logged("answers again") == 1);
    rig.host.Advance(1h);  // The end of keys that were replaced ends nothing.
    CHECK(rig.host.forgotten_identities() == 1);
  }
}

TEST_CASE("a provider that answers nonsense keeps the keys that were good") {
  Rig rig;
  rig.Start();
  const std::vector<std::function<void()>> nonsense = {
      [&] { rig.keys = "<html>sign in</html>"; },
      [&] { rig.keys = R"({"keys":[]})"; },
      [&] { rig.status = 503; },
      [&] { rig.status = 302; },
      [&] { rig.discovery = "{}"; },
      [&] { rig.discovery = R"({"issuer":"https://id.evil","jwks_uri":"https://id.example/keys"})"; },
      [&] { rig.discovery = R"({"issuer":"https://id.example","jwks_uri":"http://id.example/keys"})"; }};
  for (const auto& make : nonsense) {
    const auto keys = rig.keys;
    const auto discovery = rig.discovery;
    make();
    rig.host.Advance(30min);
    CHECK(rig.AskWith("exp", "2000000").get<Identity>());
    rig.keys = keys;
    rig.discovery = discovery;
    rig.status = 200;
  }
}

TEST_CASE("it is not ready without keys, and says why") {
  Rig rig;
  rig.is_down = true;
  auto started = rig.plugin.Start();
  rig.host.Advance(1min);
  CHECK(started.Wait().message().find("connection refused") != std::string::npos);
}

TEST_CASE("a few signatures are checked where the call is, and a storm of them on threads that may wait") {
  Rig rig;
  rig.Start();
  int last = 0;
  const auto send = [&] {
    return rig.Send(rig.signer.Sign("ES256", Rig::Claims("sub", "\"user" + std::to_string(++last) + "\"")));
  };
  for (int i = 0; i < 50; ++i) CHECK(send().is_answered());
  auto later = send();
  CHECK_FALSE(later.is_answered());
  rig.host.RunPending();
  CHECK(later.now().get<Identity>());

  rig.host.set_blocking(Blocking::kFull);
  CHECK(IsUnchecked(send().now(), 1s));
  rig.host.Advance(1ms);
  for (int i = 0; i < 5; ++i) CHECK(send().now().get<Identity>());
  CHECK(IsUnchecked(send().now(), 1s));
  rig.host.Advance(1h);
  for (int i = 0; i < 50; ++i) CHECK(send().now().status().code() != StatusCode::kUnavailable);
  CHECK(IsUnchecked(send().now(), 1s));
}

TEST_CASE("a check that took long is paid for before the next one is made on the spot") {
  InlineBudget budget;
  const MonotonicTime now = MonotonicTime(1h);
  CHECK(budget.Take(now));
  budget.Charge(10ms);
  CHECK_FALSE(budget.Take(now));
  CHECK_FALSE(budget.Take(now + 40ms));
  CHECK(budget.Take(now + 41ms));
}

TEST_CASE("a service that may act for people does so, also with a token that is remembered") {
  Rig rig(R"("delegation":[{"services":["playground"],"groups":["playground"]}])");
  rig.Start();
  const std::string token = rig.signer.Sign("ES256", Rig::Claims("sub", R"("playground")"));
  const auto ask = [&](const std::string& person) {
    auto asked =
        rig.plugin.Authenticate(AnyCall().Header("authorization", "Bearer " + token).Header("x-spark-act-for", person));
    return asked.Wait();
  };
  for (const char* person : {"alice", "bob"}) {
    const AuthAnswer answer = ask(person);
    REQUIRE(answer.get<Identity>());
    CHECK(answer.get<Identity>()->subject == person);
    CHECK(answer.get<Identity>()->actor == "playground");
  }
  CHECK(rig.Ask(token).get<Identity>()->subject == "playground");
  auto other = rig.plugin.Authenticate(AnyCall()
                                           .Header("authorization", "Bearer " + rig.signer.Sign("ES256", Rig::Claims()))
                                           .Header("x-spark-act-for", "bob"));
  CHECK(other.Wait().status().code() == StatusCode::kPermissionDenied);
}

TEST_CASE("settings that make no sense are refused") {
  const auto said = [](const std::string& more) {
    TestHost host;
    return PluginUnderTest(host, Linked<Oidc, OidcSettings>(), SettingsWith(more)).created().message();
  };
  CHECK(said("").empty());
  CHECK(said(R"("algorithms":["none"])").find("'none'") != std::string::npos);
  CHECK(said(R"("algorithms":["HS256"])").find("'HS256'") != std::string::npos);
  CHECK(said(R"("on_expired":"ignore")").find("refuse or grace") != std::string::npos);
  CHECK(said(R"("jwks_url":"http://id.example/keys")").find("https://") != std::string::npos);
  CHECK(said(R"("jwks_url":"http://127.0.0.1.evil/keys")").find("https://") != std::string::npos);
  CHECK(said(R"("jwks_url":"http://127.0.0.1:8080/keys")").empty());
  CHECK(said(R"("refresh":1000)").find("refresh_floor") != std::string::npos);
  CHECK(said(R"("keep_keys":60000)").find("keep_keys: must not be shorter") != std::string::npos);
  CHECK(said(R"("refresh":30000,"keep_keys":50000)").find("twice refresh_floor") != std::string::npos);
  CHECK(said(R"("timeout":0)").find("timeout: must be above 0") != std::string::npos);
  CHECK(said(R"("refresh_floor":0)").find("refresh_floor: must be at least 1s") != std::string::npos);
}
