// Rig: auth_oidc before an identity provider that is in the hands of a test.
#pragma once

#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <optional>
#include <string>

#include "auth_oidc.h"
#include "signer.h"

namespace sgw::plugins::testing {

using namespace sgw::testing;

inline constexpr const char* kIssuer = "https://id.example";

inline std::string SettingsWith(const std::string& more = "") {
  return R"({"issuer":"https://id.example","audiences":["spark-gateway"])" + (more.empty() ? "" : "," + more) + "}";
}

struct Rig {
  // With these settings besides those that must be there.
  explicit Rig(const std::string& more = "") : Rig(kIssuer, SettingsWith(more)) {}
  // With these settings alone.
  Rig(const std::string& its_issuer, const std::string& settings)
      : issuer(its_issuer),
        discovery(R"({"issuer":")" + issuer + R"(","jwks_uri":")" + issuer + R"(/keys"})"),
        jwks_url(issuer + "/keys"),
        plugin(host, Linked<Oidc, OidcSettings>(), settings),
        signer("k1", "P-256") {
    keys = signer.Jwks();
    host.SetWallClock(At(1'000'000));
    host.OnHttp([this](const HttpRequest& request) { return Answer(request); });
  }

  static WallTime At(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }
  std::optional<Result<HttpResponse>> Answer(const HttpRequest& request) {
    if (is_down) return Unavailable("connection refused");
    if (is_silent) return std::nullopt;
    if (request.url == issuer + "/.well-known/openid-configuration") {
      return HttpResponse{.status = status, .body = discovery};
    }
    if (request.url == jwks_url) {
      return HttpResponse{.status = status, .headers = headers, .body = keys};
    }
    return HttpResponse{.status = 404};
  }
  void Start() {
    auto started = plugin.Start();
    host.RunPending();
    REQUIRE(started.Wait().ok());
  }
  // The reason.
  std::string StartFails() {
    auto started = plugin.Start();
    host.Advance(1min);
    REQUIRE(started.Wait().code() == StatusCode::kUnavailable);  // the configuration may be right
    return started.Wait().message();
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

  const std::string issuer;
  std::string discovery;
  std::string jwks_url;
  std::string keys;
  StringMap headers;
  int status = 200;
  bool is_down = false;
  bool is_silent = false;
  TestHost host;
  PluginUnderTest plugin;
  Signer signer;
};

inline bool IsRefused(const AuthAnswer& answer) { return answer.status().code() == StatusCode::kUnauthenticated; }

// A token that could not be checked, with this pause.
inline bool IsUnchecked(const AuthAnswer& answer, Duration pause) {
  return answer.status().code() == StatusCode::kUnavailable && answer.status().retry_delay() == pause;
}

inline std::string Stranger(const std::string& key = "k9") { return Signer(key, "P-256").Sign("ES256", Rig::Claims()); }

}  // namespace sgw::plugins::testing
