// KeySet: the public keys of an identity provider (RFC 7517), and what they say of a token's signature.
#pragma once

#include <sgw/jwt.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st;

namespace sgw::plugins {

// The algorithms that a configuration may name (RFC 7518, 8037); neither `none` nor one with a shared secret.
bool IsKnownAlgorithm(std::string_view name);

// Never changes; safe for concurrent use.
class KeySet {
 public:
  enum class Verdict : std::uint8_t { kGood, kBad, kUnknownKey };

  // Keys of other kinds and uses are left out, and so are RSA keys under 2048 bits; INVALID_ARGUMENT when none is left,
  // or when it is no key set.
  static Result<std::shared_ptr<const KeySet>> Parse(std::string_view json);

  // Checks the signature with the keys of the token's `kid` (without one: with all) that are made for its `alg`.
  // `alg` is one of IsKnownAlgorithm, and the caller has allowed it.
  Verdict Verify(const Jwt& token) const;

  // Whether every key of `other` is in this one, too.
  bool HasAllOf(const KeySet& other) const;
  std::size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::string id;
    std::string algorithm;  // the only one that it is for; empty: all that fit its kind
    std::string kind;       // "RSA", or the name of its curve
    std::shared_ptr<evp_pkey_st> key;
  };

  static Result<Key> ReadKey(const Json& json);

  std::vector<Key> keys_;
  std::set<std::string> texts_;  // the keys as they were written, to tell them apart
};

}  // namespace sgw::plugins
