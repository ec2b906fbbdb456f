// Tokens of an identity provider, its key set, and whether the one was signed by the other. The input is the key set, a
// zero byte, then either a compact token, or a header and claims with a tab between them, which are put into one.
#include <sgw/jwt.h>

#include <chrono>

#include "plugins/auth_oidc/jwks.h"
#include "tests/fuzz/input.h"

namespace sgw::plugins {
namespace {

using fuzz::Require;

std::string Base64Url(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<std::uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) text += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kDigits[bits << (6 - count) & 63];
  return text;
}

void CheckToken(const Jwt& token, std::string_view compact, const KeySet* keys) {
  Require(compact.starts_with(token.signing_input()) && !token.signature().empty(), "a token is signed as it came");
  Require(compact == token.signing_input() + "." + Base64Url(token.signature()), "bytes are written in one way");
  Require(!token.header().At("/crit"), "no extension is passed over");
  const JwtRules rules{.issuer = "https://id.example", .audiences = {"spark-gateway"}};
  const WallTime now = std::chrono::system_clock::from_time_t(1'800'000'000);
  if (CheckClaims(token, rules, now).ok()) {
    Require(token.claims().String("/iss") == rules.issuer, "a good token has our issuer");
    Require(token.claims().At("/exp") != nullptr, "a good token has an end");
    Require(CheckKind(token, false).ok() && !token.claims().At("/cnf"), "a good token is one to call with");
  }
  if (!keys || !IsKnownAlgorithm(token.algorithm())) return;
  Require(keys->Verify(token) != KeySet::Verdict::kGood, "nobody here has a private key");
}

void Check(fuzz::Input input) {
  const auto keys = KeySet::Parse(input.Until('\0'));
  if (keys) Require((*keys)->size() > 0 && (*keys)->HasAllOf(**keys), "a key set has keys, its own");
  std::string compact(input.Rest());
  if (const std::size_t tab = compact.find('\t'); tab != std::string::npos) {
    compact = Base64Url(compact.substr(0, tab)) + "." + Base64Url(compact.substr(tab + 1)) + "." + std::string(88, 'A');
  }
  if (const auto token = Jwt::Parse(compact)) CheckToken(*token, compact, keys ? keys->get() : nullptr);
}

}  // namespace
}  // namespace sgw::plugins

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::plugins::Check({data, size});
  return 0;
}
