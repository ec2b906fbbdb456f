#include "auth_oidc.h"

#include <ctime>

#include "rig.h"

using namespace sgw;
using namespace sgw::plugins;
using namespace sgw::plugins::testing;

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
  for (const auto& [what, token] : bad) {
    const std::string name = what;
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
  CHECK(
      Rig(kIssuer, R"({"issuer":"https://id.example","audiences":["gw",""]})").plugin.created().message().find("aud") ==
      0);
  CHECK(said(R"("subject":"")").find("subject") == 0);
  CHECK(said(R"("jwks_url":"http://id.example/keys")").find("https://") != std::string::npos);
  CHECK(said(R"("jwks_url":"http://127.0.0.1.evil/keys")").find("https://") != std::string::npos);
  CHECK(said(R"("jwks_url":"http://127.0.0.1:8080/keys")").empty());
  for (const char* url :
       {"https://gw:hunter2@id.example/keys", "http://hunter2@127.0.0.1/keys", "https://hunter2@x", "gw:hunter2@x/y"}) {
    CAPTURE(url);
    const std::string why = said(R"("jwks_url":")" + std::string(url) + '"');
    CHECK(why.find("jwks_url: must have no user name") != std::string::npos);
    CHECK(why.find("hunter2") == std::string::npos);
  }
  const std::string proxy = said(R"("proxy":"gw:hunter2@proxy:3128")");
  CHECK(proxy.find("proxy: must begin with http://") != std::string::npos);
  CHECK(proxy.find("hunter2") == std::string::npos);
  CHECK(said(R"("refresh":1000)").find("refresh_floor") != std::string::npos);
  CHECK(said(R"("keep_keys":60000)").find("keep_keys: must not be shorter") != std::string::npos);
  CHECK(said(R"("refresh":30000,"keep_keys":79999)").find("twice refresh_floor and twice") != std::string::npos);
  CHECK(said(R"("refresh":30000,"keep_keys":80000)").empty());
  CHECK(said(R"("timeout":0)").find("timeout: must be above 0") != std::string::npos);
  CHECK(said(R"("refresh_floor":0)").find("refresh_floor: must be at least 1s") != std::string::npos);
}
