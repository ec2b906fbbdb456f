// Signer: a private key of a test's own identity provider.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace sgw::plugins::testing {

std::string EncodeBase64Url(std::string_view bytes);

class Signer {
 public:
  // "RSA" with so many bits, "P-256", "P-384", "P-521" or "Ed25519".
  Signer(std::string id, const std::string& kind, unsigned rsa_bits = 2048);

  // The public key as JSON (RFC 7517), with more members such as `,"use":"sig"`.
  std::string Jwk(const std::string& more = "") const;
  // {"keys":[...]} of this one key.
  std::string Jwks(const std::string& more = "") const { return R"({"keys":[)" + Jwk(more) + "]}"; }
  // The public key in PEM: what an attacker takes for a shared secret.
  std::string Pem() const;

  // A token with this header and these claims, as they stand.
  std::string SignParts(const std::string& header, const std::string& claims) const;
  std::string Sign(const std::string& algorithm, const std::string& claims) const {
    return SignParts(R"({"alg":")" + algorithm + R"(","kid":")" + id_ + R"("})", claims);
  }
  // The signature of a text, as JWS writes it for the algorithm; DER for ECDSA when `as_der`.
  std::string Signature(const std::string& algorithm, const std::string& text, bool as_der = false) const;

 private:
  std::string id_;
  std::string kind_;
  std::shared_ptr<evp_pkey_st> key_;
};

// HS256 with this secret.
std::string SignShared(const std::string& secret, const std::string& header, const std::string& claims);

}  // namespace sgw::plugins::testing
