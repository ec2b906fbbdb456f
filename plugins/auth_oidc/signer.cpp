#include "signer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stdexcept>
#include <vector>

namespace sgw::plugins::testing {
namespace {

std::string PartOf(EVP_PKEY* key, const char* name, int bytes = 0) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) throw std::runtime_error("no such part of a key");
  std::vector<unsigned char> raw(static_cast<std::size_t>(bytes > 0 ? bytes : BN_num_bytes(number)));
  BN_bn2binpad(number, raw.data(), static_cast<int>(raw.size()));
  BN_free(number);
  return {raw.begin(), raw.end()};
}

int CoordinateBytes(const std::string& kind) { return kind == "P-256" ? 32 : kind == "P-384" ? 48 : 66; }

const EVP_MD* DigestOf(const std::string& algorithm) {
  if (algorithm == "EdDSA") return nullptr;
  if (algorithm.ends_with("384")) return EVP_sha384();
  return algorithm.ends_with("512") ? EVP_sha512() : EVP_sha256();
}

}  // namespace

std::string EncodeBase64Url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

Signer::Signer(std::string id, const std::string& kind, unsigned rsa_bits) : id_(std::move(id)), kind_(kind) {
  EVP_PKEY* key = kind == "RSA"       ? EVP_RSA_gen(rsa_bits)
                  : kind == "Ed25519" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                      : EVP_EC_gen(kind.c_str());
  if (!key) throw std::runtime_error("cannot make a key");
  key_.reset(key, EVP_PKEY_free);
}

std::string Signer::Jwk(const std::string& more) const {
  std::string parts;
  if (kind_ == "RSA") {
    parts = R"("kty":"RSA","n":")" + EncodeBase64Url(PartOf(key_.get(), OSSL_PKEY_PARAM_RSA_N)) + R"(","e":")" +
            EncodeBase64Url(PartOf(key_.get(), OSSL_PKEY_PARAM_RSA_E)) + '"';
  } else if (kind_ == "Ed25519") {
    unsigned char raw[32];
    std::size_t size = sizeof(raw);
    EVP_PKEY_get_raw_public_key(key_.get(), raw, &size);
    parts = R"("kty":"OKP","crv":"Ed25519","x":")" + EncodeBase64Url({reinterpret_cast<const char*>(raw), size}) + '"';
  } else {
    const int bytes = CoordinateBytes(kind_);
    parts = R"("kty":"EC","crv":")" + kind_ + R"(","x":")" +
            EncodeBase64Url(PartOf(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, bytes)) + R"(","y":")" +
            EncodeBase64Url(PartOf(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, bytes)) + '"';
  }
  return R"({"kid":")" + id_ + "\"," + parts + more + "}";
}

std::string Signer::Pem() const {
  BIO* const out = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(out, key_.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(out);
  return text;
}

std::string Signer::Signature(const std::string& algorithm, const std::string& text, bool as_der) const {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* options = nullptr;
  EVP_DigestSignInit(context, &options, DigestOf(algorithm), nullptr, key_.get());
  if (algorithm.starts_with("PS")) {
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
  }
  const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  EVP_DigestSign(context, nullptr, &size, data, text.size());
  std::string signature(size, '\0');
  EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, data, text.size());
  signature.resize(size);
  EVP_MD_CTX_free(context);
  if (!algorithm.starts_with("ES") || as_der) return signature;

  const auto* at = reinterpret_cast<const unsigned char*>(signature.data());
  ECDSA_SIG* const parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(signature.size()));
  const int bytes = CoordinateBytes(kind_);
  std::string raw(2 * static_cast<std::size_t>(bytes), '\0');
  auto* const out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + bytes, bytes);
  ECDSA_SIG_free(parts);
  return raw;
}

std::string Signer::SignParts(const std::string& header, const std::string& claims) const {
  const std::string input = EncodeBase64Url(header) + "." + EncodeBase64Url(claims);
  const std::size_t at = header.find(R"("alg":")") + 7;
  return input + "." + EncodeBase64Url(Signature(header.substr(at, header.find('"', at) - at), input));
}

std::string SignShared(const std::string& secret, const std::string& header, const std::string& claims) {
  const std::string input = EncodeBase64Url(header) + "." + EncodeBase64Url(claims);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac, &size);
  return input + "." + EncodeBase64Url({reinterpret_cast<const char*>(mac), size});
}

}  // namespace sgw::plugins::testing
