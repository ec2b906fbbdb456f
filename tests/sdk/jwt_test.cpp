#include <doctest/doctest.h>
#include <sgw/jwt.h>

#include <string>
#include <string_view>
#include <vector>

using namespace sgw;

namespace {

std::string EncodeBase64Url(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) text += kDigits[(bits >> (count -= 6)) & 63U];
  }
  if (count > 0) text += kDigits[(bits << (6 - count)) & 63U];
  return text;
}

std::string TokenOf(std::string_view header, std::string_view claims, std::string_view signature = "x") {
  return EncodeBase64Url(header) + "." + EncodeBase64Url(claims) + "." + EncodeBase64Url(signature);
}

constexpr std::string_view kHeader = R"({"alg":"RS256","kid":"k1"})";
constexpr std::string_view kClaims = R"({"iss":"https://id","aud":"gw","exp":1000,"sub":"alice"})";
const JwtRules kRules{.issuer = "https://id", .audiences = {"gw"}};

WallTime At(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

Status Checked(std::string_view claims, WallTime now = At(900), const JwtRules& rules = kRules,
               std::string_view header = kHeader) {
  const auto token = Jwt::Parse(TokenOf(header, claims));
  REQUIRE(token);
  return CheckClaims(*token, rules, now);
}

// The claims of a good token with one of them replaced or added.
std::string With(std::string_view name, std::string_view value) {
  std::string claims = R"({"sub":"alice")";
  bool is_replaced = false;
  for (const auto& [key, usual] : StringMap{{"iss", R"("https://id")"}, {"aud", R"("gw")"}, {"exp", "1000"}}) {
    claims += ",\"" + key + "\":" + (key == name ? std::string(value) : usual);
    is_replaced = is_replaced || key == name;
  }
  if (!is_replaced) claims += ",\"" + std::string(name) + "\":" + std::string(value);
  return claims + "}";
}

}  // namespace

TEST_CASE("base64url is read strictly: no padding, no other alphabet, no stray bits") {
  CHECK(DecodeBase64Url("") == "");
  CHECK(DecodeBase64Url("Zg") == "f");
  CHECK(DecodeBase64Url("Zm8") == "fo");
  CHECK(DecodeBase64Url("Zm9v") == "foo");
  CHECK(DecodeBase64Url("-_8") == "\xFB\xFF");
  for (const char* wrong : {"Z", "Zg==", "Zh", "Zm9", "Zm9v\n", "Zm9v ", "+/8", "Zm=v"})
    CHECK_FALSE(DecodeBase64Url(wrong));
}

TEST_CASE("a signed token is taken apart") {
  const std::string text = TokenOf(kHeader, kClaims, "sig");
  const auto token = Jwt::Parse(text);
  REQUIRE(token);
  CHECK(token->algorithm() == "RS256");
  CHECK(token->key_id() == "k1");
  CHECK(token->signature() == "sig");
  CHECK(token->signing_input() == text.substr(0, text.rfind('.')));
  CHECK(token->claims().String("/sub") == "alice");
}

TEST_CASE("what is no signed token of one JSON object is refused") {
  const std::string good = TokenOf(kHeader, kClaims);
  const std::vector<std::string> wrong = {
      "",
      ".",
      "..",
      "a.b",
      good.substr(0, good.rfind('.')),      // two parts
      good + ".x",                          // four
      good + ".x.y",                        // five: encrypted
      good.substr(0, good.rfind('.') + 1),  // no signature
      good + "=",
      good + " ",
      " " + good,
      good + "\n",  // padding, spaces, trailing bytes
      TokenOf("[]", kClaims),
      TokenOf(kHeader, "7"),
      TokenOf("{", kClaims),
      TokenOf("", ""),
      TokenOf(R"({"kid":"k"})", kClaims),  // no algorithm
      TokenOf(R"({"alg":7})", kClaims),
      TokenOf(R"({"alg":"RS256","kid":7})", kClaims),
      TokenOf(R"({"alg":"RS256","kid":")" + std::string(2000, 'k') + R"("})", kClaims),
      TokenOf(R"({"alg":"RS256","crit":["exp"]})", kClaims),  // an extension nobody here knows
      TokenOf(R"({"alg":"RS256","crit":[]})", kClaims),
      TokenOf(R"({"alg":"RS256","b64":false})", kClaims),
      TokenOf(R"({"alg":"RS256","cty":"JWT"})", kClaims),   // nested
      TokenOf(R"({"alg":"RS256","alg":"none"})", kClaims),  // two readers would see two values
      TokenOf(kHeader, R"({"sub":"a","sub":"b"})"),
      TokenOf(kHeader, "{\"sub\":\"\xC3\x28\"}"),                       // invalid UTF-8
      TokenOf(kHeader, std::string(100, '[') + std::string(100, ']')),  // deep
      TokenOf(kHeader, R"({"x":")" + std::string(1 << 20, 'x') + R"("})"),
  };
  for (const std::string& text : wrong) {
    CAPTURE(text.substr(0, 60));
    const auto token = Jwt::Parse(text);
    REQUIRE_FALSE(token);
    CHECK(token.status().code() == StatusCode::kUnauthenticated);
  }
}

TEST_CASE("the claims of a good token pass, also with a list of audiences") {
  CHECK(Checked(kClaims).ok());
  CHECK(Checked(With("aud", R"(["other","gw"])")).ok());
  CHECK(Checked(With("nbf", "900")).ok());
  CHECK(Checked(With("exp", "1000.5")).ok());
}

TEST_CASE("another issuer is refused, however alike") {
  for (const char* issuer : {R"("https://id/")", R"("https://i")", R"("https://id.evil")", R"("HTTPS://ID")", "7",
                             "null", R"(["https://id"])", R"(" https://id")"}) {
    CAPTURE(issuer);
    CHECK_FALSE(Checked(With("iss", issuer)).ok());
  }
}

TEST_CASE("another audience is refused, and one of another type") {
  for (const char* audience :
       {R"("gw2")", R"("g")", R"("GW")", "7", "null", "{}", "[]", R"([7,"gw"])", R"({"gw":1})"}) {
    CAPTURE(audience);
    CHECK_FALSE(Checked(With("aud", audience)).ok());
  }
  CHECK_FALSE(Checked(R"({"iss":"https://id","exp":1000})").ok());
}

TEST_CASE("a time that is too far away to count is far away") {
  CHECK(Checked(With("exp", "253402300799")).ok());
  CHECK(Checked(With("exp", "9223372037")).ok());
  CHECK_FALSE(Checked(With("nbf", "253402300799")).ok());
  CHECK_FALSE(Checked(With("iat", "18446744074")).ok());
}

TEST_CASE("a time that is no time is refused") {
  for (const char* time : {R"("1000")", "-1", "1e400", "1e300", "null", "[]", "{}", "true", "253402300800"}) {
    CAPTURE(time);
    CHECK_FALSE(Checked(With("exp", time)).ok());
    CHECK_FALSE(Checked(With("nbf", time)).ok());
  }
  CHECK_FALSE(Jwt::Parse(TokenOf(kHeader, With("exp", "NaN"))));
  CHECK_FALSE(Checked(R"({"iss":"https://id","aud":"gw"})").ok());
}

TEST_CASE("clocks may differ by the leeway and no more") {
  CHECK(Checked(With("nbf", "960"), At(900)).ok());
  CHECK_FALSE(Checked(With("nbf", "961"), At(900)).ok());
  CHECK_FALSE(Checked(With("iat", "961"), At(900)).ok());
  const auto token = Jwt::Parse(TokenOf(kHeader, kClaims));
  REQUIRE(token);
  CHECK(JwtExpiry(*token, kRules) == At(1060));
}

TEST_CASE("an ID token of a sign-in is no access token, unless it may be") {
  JwtRules lax = kRules;
  lax.allow_id_tokens = true;
  for (const auto& one : StringMap{{"nonce", R"("n")"},
                                   {"at_hash", R"("h")"},
                                   {"c_hash", R"("h")"},
                                   {"s_hash", R"("h")"},
                                   {"typ", R"("ID")"},
                                   {"typ", R"("id")"}}) {
    const auto& name = one.first;
    const auto& value = one.second;
    CAPTURE(name);
    CHECK_FALSE(Checked(With(name, value)).ok());
    CHECK(Checked(With(name, value), At(900), lax).ok());
  }
  CHECK(Checked(With("typ", R"("Bearer")")).ok());
}

TEST_CASE("what an issuer signs for another end is no token to call with, whatever else may be") {
  JwtRules lax = kRules;
  lax.allow_id_tokens = true;
  for (const auto& one : StringMap{{"typ", R"("Refresh")"},
                                   {"typ", R"("REFRESH")"},
                                   {"typ", R"("Offline")"},
                                   {"typ", R"("Logout")"},
                                   {"events", R"({"http://schemas.openid.net/event/backchannel-logout":{}})"},
                                   {"events", "null"},
                                   {"cnf", R"({"jkt":"x"})"}}) {
    const auto& name = one.first;
    const auto& value = one.second;
    CAPTURE(name);
    CAPTURE(value);
    CHECK(Checked(With(name, value), At(900), lax).code() == StatusCode::kUnauthenticated);
  }
}

TEST_CASE("a header's type is that of a token, or there is none") {
  const auto said = [](const std::string& type) {
    return Checked(kClaims, At(900), kRules, R"({"alg":"RS256","typ":)" + type + "}");
  };
  for (const char* good : {R"("JWT")", R"("jwt")", R"("at+jwt")", R"("AT+JWT")", R"("application/at+jwt")"}) {
    CAPTURE(good);
    CHECK(said(good).ok());
  }
  for (const char* other :
       {R"("logout+jwt")", R"("secevent+jwt")", R"("dpop+jwt")", R"("JOSE")", R"("at+jwt ")", R"("")", "7", "null"}) {
    CAPTURE(other);
    CHECK(said(other).code() == StatusCode::kUnauthenticated);
  }
}

TEST_CASE("claims are found by name, by path, and as lists of texts") {
  const auto token = Jwt::Parse(TokenOf(
      kHeader, R"({"https://acme/groups":["a"],"realm_access":{"roles":["b","c"]},"team":"ads","mixed":["a",1]})"));
  REQUIRE(token);
  CHECK(token->Texts("https://acme/groups") == std::vector<std::string>{"a"});
  CHECK(token->Texts("/realm_access/roles") == std::vector<std::string>{"b", "c"});
  CHECK(token->Texts("team") == std::vector<std::string>{"ads"});
  CHECK(token->Texts("mixed").empty());
  CHECK(token->Texts("none").empty());
}
