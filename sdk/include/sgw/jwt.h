// Jwt: JSON Web Tokens (RFC 7519), signed ones in compact form (RFC 7515). The signature's mathematics is the plugin's.
//
// What can be checked without keys is checked here, as strictly as RFC 8725 advises; see JwtRules. A token is believed
// only after both CheckClaims and a signature check that chose its key by what the *plugin* allows, never by what the
// token asks for.
#pragma once

#include <sgw/json.h>
#include <sgw/status.h>
#include <sgw/values.h>
#include <sgw/wall_time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

// base64url without padding (RFC 4648, section 5). None: a character that is not of the alphabet, padding, a length
// that no bytes have, or bits behind the last byte that are not zero.
inline std::optional<std::string> DecodeBase64Url(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
  };
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = digit(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 0xFFU);
  }
  if ((bits & ((1U << count) - 1U)) != 0) return std::nullopt;
  return bytes;
}

// A signed token that was taken apart. Nothing of it is believed yet.
class Jwt {
 public:
  static constexpr std::size_t kMaxBytes = 16 * 1024;

  // UNAUTHENTICATED, in words for the caller: longer than 16 KiB, not three parts of base64url, parts that are no JSON
  // object, an encrypted or nested token, no signature, a `crit` or `b64` header (this reader knows none).
  static Result<Jwt> Parse(std::string_view compact);

  // Whether the text has the form of one; decides between Next and a refusal.
  static bool HasForm(std::string_view text) {
    const std::size_t dot = text.find('.');
    return text.starts_with("eyJ") && dot != text.npos && text.find('.', dot + 1) != text.npos;
  }

  // `alg` and `kid` of the header; the latter may be empty.
  const std::string& algorithm() const { return algorithm_; }
  const std::string& key_id() const { return key_id_; }
  const Json& header() const { return header_; }
  const Json& claims() const { return claims_; }
  // What was signed, and the signature's bytes.
  const std::string& signing_input() const { return signing_input_; }
  const std::string& signature() const { return signature_; }

  // A claim by its name, or by a JSON pointer when that begins with a slash; null when there is none.
  const Json* Claim(std::string_view path) const {
    return claims_.At(path.starts_with('/') ? std::string(path) : "/" + Escaped(path));
  }
  // The texts of a claim: of a string, itself; of an array of strings, all of them; none of anything else.
  std::vector<std::string> Texts(std::string_view path) const {
    const Json* claim = Claim(path);
    if (!claim) return {};
    if (const std::string* text = claim->as_string()) return {*text};
    return claim->Strings("");
  }
  // The time of a claim (NumericDate, RFC 7519 section 2). None: there is no such claim. UNAUTHENTICATED: it is no
  // finite number between 1970 and the year 9999. See WallTimeAt for one that is far away.
  Result<std::optional<WallTime>> Time(std::string_view path) const;

 private:
  static std::string Escaped(std::string_view name) {  // for a JSON pointer, RFC 6901
    std::string escaped;
    for (const char c : name) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return escaped;
  }
  static Status Wrong(std::string_view why) { return Unauthenticated("The token is not valid: " + std::string(why)); }

  Json header_;
  Json claims_;
  std::string algorithm_;
  std::string key_id_;
  std::string signing_input_;
  std::string signature_;
};

// What a token must say besides being signed.
struct JwtRules {
  std::string issuer{};                  // `iss`, byte for byte
  std::vector<std::string> audiences{};  // one of them must be in `aud`; empty: not looked at
  Duration leeway = 60s;                 // for clocks that differ
  bool allow_id_tokens = false;          // those of OpenID Connect that were made for a browser's sign-in
};

// Whether this is a token to call with; an issuer signs texts for other ends, too (RFC 8725, 3.11 and 3.12). Not one
// whose header has another `typ` than JWT or at+jwt (RFC 9068); a refresh token, by Keycloak's claim `typ`; a logout
// token or another set of `events` (RFC 8417); one that is bound to a key of its holder (`cnf`, RFC 7800), which nobody
// here sees; nor an ID token, unless it may be: known by `nonce`, `at_hash`, `c_hash`, `s_hash`, or that claim `typ`.
Status CheckKind(const Jwt& token, bool allow_id_tokens);

// Checks the claims of a token against the rules at this time: issuer, kind, audience, `exp` (which must be there),
// `nbf`, `iat`. UNAUTHENTICATED, in words for the caller. An `exp` that has passed is left to the caller: see
// JwtExpiry.
Status CheckClaims(const Jwt& token, const JwtRules& rules, WallTime now);

// When the token ends, with the leeway; only of one that has passed CheckClaims.
inline WallTime JwtExpiry(const Jwt& token, const JwtRules& rules) {
  const auto expiry = token.Time("exp");
  return expiry && *expiry ? **expiry + rules.leeway : WallTime();
}

inline Result<Jwt> Jwt::Parse(std::string_view compact) {
  if (compact.size() > kMaxBytes) return Wrong("it is longer than 16 KiB.");
  const auto parts = std::count(compact.begin(), compact.end(), '.') + 1;
  if (parts == 5) return Wrong("it is encrypted; send a signed one.");
  if (parts != 3) return Wrong("a signed token has three parts.");
  const std::size_t first = compact.find('.');
  const std::size_t second = compact.find('.', first + 1);
  const auto header = DecodeBase64Url(compact.substr(0, first));
  const auto claims = DecodeBase64Url(compact.substr(first + 1, second - first - 1));
  auto signature = DecodeBase64Url(compact.substr(second + 1));
  if (!header || !claims || !signature) return Wrong("a part of it is not base64url.");
  if (signature->empty()) return Wrong("it is not signed.");

  Jwt token;
  auto parsed_header = Json::Parse(*header);
  auto parsed_claims = Json::Parse(*claims);
  if (!parsed_header || parsed_header->kind() != Json::Kind::kObject) return Wrong("its header is no JSON object.");
  if (!parsed_claims || parsed_claims->kind() != Json::Kind::kObject) return Wrong("its claims are no JSON object.");
  token.header_ = *std::move(parsed_header);
  token.claims_ = *std::move(parsed_claims);
  if (token.header_.At("/crit") || token.header_.At("/b64")) return Wrong("its header asks for an extension (crit).");
  if (const Json* nested = token.header_.At("/cty")) {
    const std::string* type = nested->as_string();
    if (!type || *type != "json") return Wrong("there is another token inside.");
  }
  const Json* algorithm = token.header_.At("/alg");
  if (!algorithm || !algorithm->as_string()) return Wrong("its header names no algorithm.");
  token.algorithm_ = *algorithm->as_string();
  if (const Json* key_id = token.header_.At("/kid")) {
    if (!key_id->as_string() || key_id->as_string()->size() > 1024) return Wrong("its key id is no text.");
    token.key_id_ = *key_id->as_string();
  }
  token.signing_input_ = std::string(compact.substr(0, second));
  token.signature_ = *std::move(signature);
  return token;
}

inline Result<std::optional<WallTime>> Jwt::Time(std::string_view path) const {
  constexpr double kYear9999 = 253'402'300'799.0;
  const Json* claim = Claim(path);
  if (!claim) return std::optional<WallTime>();
  const std::optional<double> seconds = claim->as_number();
  if (!seconds || !std::isfinite(*seconds) || *seconds < 0 || *seconds > kYear9999) {
    return Wrong("its '" + std::string(path) + "' is no time.");
  }
  return std::optional<WallTime>(WallTimeAt(static_cast<std::int64_t>(*seconds)));
}

namespace detail {

inline Status NotForUs(std::string_view why) {
  return Unauthenticated("The token is not for this gateway: " + std::string(why));
}

inline bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> all) {
  return std::any_of(all.begin(), all.end(), [text](std::string_view one) { return EqualFold(text, one); });
}

}  // namespace detail

inline Status CheckKind(const Jwt& token, bool allow_id_tokens) {
  if (const Json* type = token.header().At("/typ")) {
    const std::string* text = type->as_string();
    if (!text || !detail::IsOneOf(*text, {"JWT", "at+jwt", "application/at+jwt"})) {
      return detail::NotForUs("it is of another type (typ); send an access token.");
    }
  }
  const std::string mark = token.claims().String("/typ");
  if (detail::IsOneOf(mark, {"Refresh", "Offline"})) {
    return detail::NotForUs("it is a refresh token; send an access token.");
  }
  if (detail::IsOneOf(mark, {"Logout"}) || token.Claim("events")) {
    return detail::NotForUs("it tells of an event; send an access token.");
  }
  if (token.Claim("cnf")) {
    return detail::NotForUs("it is bound to a key of its holder (cnf), which cannot be checked here.");
  }
  if (allow_id_tokens) return {};
  bool is_id_token = detail::IsOneOf(mark, {"ID"});
  for (const char* claim : {"nonce", "at_hash", "c_hash", "s_hash"}) is_id_token |= token.Claim(claim) != nullptr;
  if (is_id_token) return detail::NotForUs("it is an ID token of a sign-in; send an access token.");
  return {};
}

inline Status CheckClaims(const Jwt& token, const JwtRules& rules, WallTime now) {
  const auto wrong = detail::NotForUs;
  const Json* issuer = token.Claim("iss");
  if (!issuer || !issuer->as_string() || *issuer->as_string() != rules.issuer) return wrong("it has another issuer.");
  if (Status status = CheckKind(token, rules.allow_id_tokens); !status.ok()) return status;
  if (!rules.audiences.empty()) {
    const std::vector<std::string> said = token.Texts("aud");
    const bool is_one = std::any_of(said.begin(), said.end(), [&](const std::string& one) {
      return std::find(rules.audiences.begin(), rules.audiences.end(), one) != rules.audiences.end();
    });
    if (!is_one) return wrong("its audience must be '" + rules.audiences.front() + "'.");
  }
  const auto expiry = token.Time("exp");
  if (!expiry) return expiry.status();
  if (!*expiry) return wrong("it never ends (no 'exp').");
  for (const char* claim : {"nbf", "iat"}) {
    const auto start = token.Time(claim);
    if (!start) return start.status();
    if (*start && **start > now + rules.leeway) return wrong("its time has not begun; are the clocks right?");
  }
  return {};
}

}  // namespace sgw
