#include "jwks.h"

#include <doctest/doctest.h>

#include "signer.h"

using namespace sgw;
using namespace sgw::plugins;
using namespace sgw::plugins::testing;

namespace {

constexpr const char* kClaims = R"({"sub":"alice"})";
using Verdict = KeySet::Verdict;

std::shared_ptr<const KeySet> SetOf(const std::string& json) {
  auto set = KeySet::Parse(json);
  REQUIRE_MESSAGE(set, set.status().message());
  return *set;
}

Verdict Verified(const KeySet& keys, const std::string& token) {
  const auto parsed = Jwt::Parse(token);
  REQUIRE_MESSAGE(parsed, parsed.status().message());
  return keys.Verify(*parsed);
}

// A token whose signature is replaced.
std::string Resigned(const std::string& token, std::string_view signature) {
  return token.substr(0, token.rfind('.') + 1) + EncodeBase64Url(signature);
}

}  // namespace

TEST_CASE("each algorithm's good signatures pass, and a changed byte does not") {
  for (const auto& [name, kind] : StringMap{{"RS256", "RSA"},
                                            {"RS384", "RSA"},
                                            {"RS512", "RSA"},
                                            {"PS256", "RSA"},
                                            {"PS384", "RSA"},
                                            {"PS512", "RSA"},
                                            {"ES256", "P-256"},
                                            {"ES384", "P-384"},
                                            {"ES512", "P-521"},
                                            {"EdDSA", "Ed25519"}}) {
    const std::string algorithm = name;
    CAPTURE(algorithm);
    const Signer signer("k", kind);
    const auto keys = SetOf(signer.Jwks());
    const std::string token = signer.Sign(algorithm, kClaims);
    CHECK(Verified(*keys, token) == Verdict::kGood);
    const std::string other = signer.Sign(algorithm, R"({"sub":"bob"})");
    CHECK(Verified(*keys, other.substr(0, other.rfind('.')) + token.substr(token.rfind('.'))) == Verdict::kBad);
    std::string signature = signer.Signature(algorithm, token.substr(0, token.rfind('.')));
    signature[signature.size() / 2] ^= 1;
    CHECK(Verified(*keys, Resigned(token, signature)) == Verdict::kBad);
    CHECK(Verified(*keys, Resigned(token, signature.substr(1))) == Verdict::kBad);
    CHECK(Verified(*keys, Resigned(token, signature + "x")) == Verdict::kBad);
  }
}

TEST_CASE("none, in any spelling, and shared secrets are no algorithms") {
  const Signer signer("k", "RSA");
  const auto keys = SetOf(signer.Jwks());
  for (const char* algorithm : {"none", "None", "NONE", "nOnE", "", "HS256", "hs256", "RS256 ", "rs256", "ES256K"}) {
    CAPTURE(algorithm);
    CHECK_FALSE(IsKnownAlgorithm(algorithm));
    CHECK(Verified(*keys, SignShared(signer.Pem(), R"({"alg":")" + std::string(algorithm) + R"(","kid":"k"})",
                                     kClaims)) == Verdict::kBad);
  }
}

TEST_CASE("a key is used only for its own kind and algorithm") {
  const Signer rsa("k", "RSA");
  const Signer curve("k", "P-256");
  CHECK(Verified(*SetOf(curve.Jwks()), rsa.Sign("RS256", kClaims)) == Verdict::kBad);
  CHECK(Verified(*SetOf(rsa.Jwks()), curve.Sign("ES256", kClaims)) == Verdict::kBad);
  CHECK(Verified(*SetOf(rsa.Jwks(R"(,"alg":"RS256")")), rsa.Sign("PS256", kClaims)) == Verdict::kBad);
  CHECK(Verified(*SetOf(rsa.Jwks(R"(,"alg":"PS256")")), rsa.Sign("PS256", kClaims)) == Verdict::kGood);
}

TEST_CASE("an ECDSA signature is two numbers of full length that are not zero") {
  const Signer signer("k", "P-256");
  const auto keys = SetOf(signer.Jwks());
  const std::string token = signer.Sign("ES256", kClaims);
  const std::string good = signer.Signature("ES256", token.substr(0, token.rfind('.')));
  const std::string zero(32, '\0');
  CHECK(Verified(*keys, Resigned(token, zero + good.substr(32))) == Verdict::kBad);
  CHECK(Verified(*keys, Resigned(token, good.substr(0, 32) + zero)) == Verdict::kBad);
  CHECK(Verified(*keys, Resigned(token, zero + zero)) == Verdict::kBad);
  CHECK(Verified(*keys, Resigned(token, std::string(64, '\xFF'))) == Verdict::kBad);
  CHECK(Verified(*keys, Resigned(token, signer.Signature("ES256", token.substr(0, token.rfind('.')), true))) ==
        Verdict::kBad);  // DER
}

TEST_CASE("the token's key id chooses the key; an unknown one is said to be unknown") {
  const Signer first("first", "P-256");
  const Signer second("second", "P-256");
  const auto keys = SetOf(R"({"keys":[)" + first.Jwk() + "," + second.Jwk() + "]}");
  CHECK(Verified(*keys, first.Sign("ES256", kClaims)) == Verdict::kGood);
  CHECK(Verified(*keys, second.Sign("ES256", kClaims)) == Verdict::kGood);
  CHECK(Verified(*keys, first.SignParts(R"({"alg":"ES256","kid":"second"})", kClaims)) == Verdict::kBad);
  CHECK(Verified(*keys, first.SignParts(R"({"alg":"ES256","kid":"../../etc/passwd"})", kClaims)) ==
        Verdict::kUnknownKey);
  CHECK(Verified(*keys, second.SignParts(R"({"alg":"ES256"})", kClaims)) == Verdict::kGood);
  CHECK(Verified(*keys, Signer("x", "P-256").SignParts(R"({"alg":"ES256"})", kClaims)) == Verdict::kUnknownKey);
}

TEST_CASE("keys that the token brings along or points to are not looked at") {
  const Signer known("k", "P-256");
  const Signer own("k", "P-256");
  const auto keys = SetOf(known.Jwks());
  for (const std::string& header : {R"({"alg":"ES256","kid":"k","jwk":)" + own.Jwk() + "}",
                                    std::string(R"({"alg":"ES256","kid":"k","jku":"http://127.0.0.1:1/keys"})"),
                                    std::string(R"({"alg":"ES256","kid":"k","x5u":"http://127.0.0.1:1/cert"})")}) {
    CHECK(Verified(*keys, own.SignParts(header, kClaims)) == Verdict::kBad);
  }
}

TEST_CASE("a set without a usable key is refused, and others lose only what cannot be used") {
  const Signer good("good", "P-256");
  CHECK(SetOf(R"({"keys":[{"kty":"oct","k":"AAAA"},7,null,)" + good.Jwk() + "]}")->size() == 1);
  for (const std::string& wrong : std::vector<std::string>{
           "", "<html></html>", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[],"keys":[]})",
           R"({"keys":[{"kty":"oct","k":"AAAA"}]})", good.Jwks(R"(,"use":"enc")"), good.Jwks(R"(,"key_ops":["sign"])"),
           good.Jwks(R"(,"alg":"HS256")"), Signer("short", "RSA", 1024).Jwks(),
           R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})",
           R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})",
           R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + EncodeBase64Url(std::string(32, 'x')) + R"(","y":")" +
               EncodeBase64Url(std::string(32, 'y')) + R"("}]})",  // a point that is not on the curve
           R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]})",
           R"({"keys":[{"kty":"OKP","crv":"RSA","x":"AA"}]})"}) {
    CAPTURE(wrong);
    CHECK_FALSE(KeySet::Parse(wrong));
  }
  std::string many = R"({"keys":[)" + good.Jwk();
  for (int i = 0; i < 100; ++i) many += "," + good.Jwk();
  CHECK_FALSE(KeySet::Parse(many + "]}"));
}

TEST_CASE("a withdrawn key is noticed, an added one is none") {
  const Signer first("first", "P-256");
  const Signer second("second", "P-256");
  const auto one = SetOf(first.Jwks());
  const auto both = SetOf(R"({"keys":[)" + first.Jwk() + "," + second.Jwk() + "]}");
  CHECK(both->HasAllOf(*one));
  CHECK_FALSE(one->HasAllOf(*both));
  CHECK_FALSE(SetOf(Signer("first", "P-256").Jwks())->HasAllOf(*one));  // the same name, another key
}
