#include "provider.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "rig.h"

using namespace sgw;
using namespace sgw::plugins;
using namespace sgw::plugins::testing;

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

TEST_CASE("keys are not fetched by a URL with a user name, and no message shows what a URL may hide") {
  Rig rig;
  rig.discovery = R"({"issuer":"https://id.example","jwks_uri":"https://gw:hunter2@id.example/keys"})";
  CHECK(rig.StartFails().find("has no jwks_uri with https://") != std::string::npos);
  CHECK(rig.host.Logged("hunter2") == 0);

  Rig other(R"("jwks_url":"https://id.example/keys?code=hunter2")");
  CHECK(other.StartFails().find("https://id.example/keys answered with HTTP status 404") != std::string::npos);
  CHECK(other.host.Logged("hunter2") == 0);
}

TEST_CASE("requests go through the proxy, by its newest password, which nothing shows") {
  Rig rig(R"("proxy":"http://gw:hunter2@proxy.example:3128")");
  rig.Start();
  CHECK(rig.host.http_requests().back().proxy == "http://gw:hunter2@proxy.example:3128");
  CHECK(rig.host.ChangeSecret("/proxy", "http://gw:hunter3@proxy.example:3128") == 1);
  rig.is_down = true;
  rig.host.Advance(15min);
  CHECK(rig.host.http_requests().back().proxy == "http://gw:hunter3@proxy.example:3128");
  CHECK(rig.host.Logged("hunter") == 0);
  CHECK(rig.plugin.Describe().find("hunter") == std::string::npos);
}

TEST_CASE("it is not ready without keys, and says why") {
  Rig rig;
  rig.is_down = true;
  CHECK(rig.StartFails().find("connection refused") != std::string::npos);
}
