#include "jwks.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <iterator>

namespace sgw::plugins {
namespace {

constexpr std::size_t kMaxKeys = 100;
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;
constexpr int kMaxExponentBits = 33;

struct Algorithm {
  std::string_view name;
  std::string_view kind;  // of the key
  const EVP_MD* (*digest)();
  bool is_pss;
  std::size_t coordinate_bytes;  // of an ECDSA signature's two numbers
};

constexpr Algorithm kAlgorithms[] = {
    {"RS256", "RSA", EVP_sha256, false, 0},    {"RS384", "RSA", EVP_sha384, false, 0},
    {"RS512", "RSA", EVP_sha512, false, 0},    {"PS256", "RSA", EVP_sha256, true, 0},
    {"PS384", "RSA", EVP_sha384, true, 0},     {"PS512", "RSA", EVP_sha512, true, 0},
    {"ES256", "P-256", EVP_sha256, false, 32}, {"ES384", "P-384", EVP_sha384, false, 48},
    {"ES512", "P-521", EVP_sha512, false, 66}, {"EdDSA", "Ed25519", nullptr, false, 0},
};

const Algorithm* Find(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms),
                                         [&](const Algorithm& one) { return one.name == name; });
  return found == std::end(kAlgorithms) ? nullptr : found;
}

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BigNumber = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;
using KeyPtr = std::shared_ptr<EVP_PKEY>;

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

BigNumber NumberOf(std::string_view bytes) {
  return BigNumber(BN_bin2bn(Bytes(bytes), static_cast<int>(bytes.size()), nullptr));
}

// The bytes of a member in base64url; empty when there is none or it is none.
std::string Member(const Json& json, const char* pointer) { return DecodeBase64Url(json.String(pointer)).value_or(""); }

KeyPtr MakeKey(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return KeyPtr(key, EVP_PKEY_free);
}

KeyPtr RsaKey(const Json& json) {
  const BigNumber n = NumberOf(Member(json, "/n"));
  const BigNumber e = NumberOf(Member(json, "/e"));
  const bool is_fit = n && e && BN_num_bits(n.get()) >= kMinRsaBits && BN_num_bits(n.get()) <= kMaxRsaBits &&
                      BN_is_odd(n.get()) && BN_is_odd(e.get()) && BN_num_bits(e.get()) >= 2 &&
                      BN_num_bits(e.get()) <= kMaxExponentBits;
  if (!is_fit) return nullptr;
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return MakeKey("RSA", builder.get());
}

KeyPtr EcKey(const Json& json, const Algorithm& algorithm) {
  const std::string x = Member(json, "/x");
  const std::string y = Member(json, "/y");
  if (x.size() != algorithm.coordinate_bytes || y.size() != algorithm.coordinate_bytes) return nullptr;
  const std::string group(algorithm.kind), point = "\x04" + x + y;  // The builder keeps pointers into both.
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group.c_str(), 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  KeyPtr key = MakeKey("EC", builder.get());
  const KeyContext check(key ? EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr) : nullptr);
  return check && EVP_PKEY_public_check(check.get()) == 1 ? key : nullptr;  // a point that is on the curve
}

KeyPtr EdKey(const Json& json) {
  const std::string x = Member(json, "/x");
  if (x.size() != 32) return nullptr;
  return KeyPtr(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(x), x.size()), EVP_PKEY_free);
}

// JWS writes an ECDSA signature as two numbers of fixed length, OpenSSL reads them in DER. Empty: not of that form.
std::string DerOf(std::string_view raw, std::size_t coordinate_bytes) {
  if (raw.size() != 2 * coordinate_bytes) return "";
  BigNumber r = NumberOf(raw.substr(0, coordinate_bytes));
  BigNumber s = NumberOf(raw.substr(coordinate_bytes));
  if (!r || !s || BN_is_zero(r.get()) || BN_is_zero(s.get())) return "";
  const EcdsaSignature signature(ECDSA_SIG_new());
  if (!signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return "";
  static_cast<void>(r.release());  // They are the signature's now.
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return "";
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

bool IsSignedBy(EVP_PKEY* key, const Algorithm& algorithm, const Jwt& token) {
  const std::string& raw = token.signature();
  const std::string signature = algorithm.coordinate_bytes > 0 ? DerOf(raw, algorithm.coordinate_bytes) : raw;
  if (signature.empty()) return false;
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // belongs to the context
  const EVP_MD* const digest = algorithm.digest ? algorithm.digest() : nullptr;
  if (!context || EVP_DigestVerifyInit(context.get(), &options, digest, nullptr, key) != 1) return false;
  if (algorithm.is_pss && (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
                           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(token.signing_input()),
                          token.signing_input().size()) == 1;
}

bool IsForSignatures(const Json& json) {
  if (const Json* use = json.At("/use"); use && json.String("/use") != "sig") return false;
  if (const Json* operations = json.At("/key_ops"); operations) {
    const std::vector<std::string> all = json.Strings("/key_ops");
    return std::find(all.begin(), all.end(), "verify") != all.end();
  }
  return true;
}

}  // namespace

bool IsKnownAlgorithm(std::string_view name) { return Find(name) != nullptr; }

Result<KeySet::Key> KeySet::ReadKey(const Json& json) {
  Key key{json.String("/kid"), json.String("/alg"), json.String("/kty"), nullptr};
  if (!IsForSignatures(json)) return InvalidArgument("not for signatures");
  if (!key.algorithm.empty() && !Find(key.algorithm)) return InvalidArgument("of another algorithm");
  if (key.kind == "RSA") {
    key.key = RsaKey(json);
  } else if (key.kind == "EC" || key.kind == "OKP") {
    const bool is_ec = key.kind == "EC";
    key.kind = json.String("/crv");
    const auto* const fits = std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms), [&](const Algorithm& one) {
      return one.kind == key.kind && (one.coordinate_bytes > 0) == is_ec && one.kind != "RSA";
    });
    if (fits == std::end(kAlgorithms)) return InvalidArgument("of another curve");
    key.key = is_ec ? EcKey(json, *fits) : EdKey(json);
  }
  if (!key.key) return InvalidArgument("of another kind, or malformed");
  return key;
}

Result<std::shared_ptr<const KeySet>> KeySet::Parse(std::string_view json) {
  const auto root = Json::Parse(json);
  if (!root) return InvalidArgument("the key set is no JSON: " + root.status().message());
  const Json* const keys = root->At("/keys");
  if (!keys || keys->kind() != Json::Kind::kArray) return InvalidArgument("the key set has no list 'keys'");
  if (keys->elements().size() > kMaxKeys) return InvalidArgument("the key set has more than 100 keys");
  auto set = std::make_shared<KeySet>();
  for (const Json& one : keys->elements()) {
    auto key = ReadKey(one);
    if (!key) continue;
    std::string text = key->kind + " " + key->id + " " + key->algorithm;
    for (const char* member : {"/n", "/e", "/x", "/y"}) text += " " + one.String(member);
    set->texts_.insert(std::move(text));
    set->keys_.push_back(*std::move(key));
  }
  if (set->keys_.empty()) return InvalidArgument("the key set has no key that can be used");
  return std::shared_ptr<const KeySet>(std::move(set));
}

KeySet::Verdict KeySet::Verify(const Jwt& token) const {
  const Algorithm* const algorithm = Find(token.algorithm());
  if (!algorithm) return Verdict::kBad;
  bool is_known = false;
  for (const Key& key : keys_) {
    if (!token.key_id().empty() && key.id != token.key_id()) continue;
    is_known = !token.key_id().empty();  // A token without one may be signed by a key that is not here yet.
    const bool fits = key.kind == algorithm->kind && (key.algorithm.empty() || key.algorithm == algorithm->name);
    if (fits && IsSignedBy(key.key.get(), *algorithm, token)) return Verdict::kGood;
  }
  return is_known ? Verdict::kBad : Verdict::kUnknownKey;
}

bool KeySet::HasAllOf(const KeySet& other) const {
  return std::includes(texts_.begin(), texts_.end(), other.texts_.begin(), other.texts_.end());
}

}  // namespace sgw::plugins
