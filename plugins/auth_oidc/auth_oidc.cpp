#include "auth_oidc.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

namespace sgw::plugins {
namespace {

constexpr std::size_t kMaxSubject = 256;

std::string TimeText(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts)};
}

bool IsPlain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSubject &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

}  // namespace

Status OidcSettings::Validate() const {
  if (Status status = provider.Validate(); !status.ok()) return status;
  if (audiences.empty()) return InvalidArgument("audiences: needs at least one");
  if (std::find(audiences.begin(), audiences.end(), "") != audiences.end()) {
    return InvalidArgument("audiences: one of them is empty");
  }
  if (subject.empty()) return InvalidArgument("subject: must name a claim");
  if (algorithms.empty()) return InvalidArgument("algorithms: needs at least one");
  for (const std::string& name : algorithms) {
    if (!IsKnownAlgorithm(name)) {
      return InvalidArgument("algorithms: '" + name +
                             "' is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, "
                             "ES384, ES512, EdDSA");
    }
  }
  if (on_expired != "refuse" && on_expired != "grace") return InvalidArgument("on_expired: must be refuse or grace");
  if (leeway < 0ms || leeway > 10min) return InvalidArgument("leeway: must be at most 10m");
  if (remember_tokens < 1) return InvalidArgument("remember_tokens: must be at least 1");
  return {};
}

Oidc::Oidc(OidcSettings settings, Host& host)
    : settings_(std::move(settings)),
      rules_{settings_.provider.issuer, settings_.audiences, settings_.leeway, settings_.id_tokens},
      host_(host),
      accepted_(host.MakeCounter("spark_gateway_auth_oidc_tokens_total", "Tokens that callers sent.",
                                 {{"result", "checked"}})),
      remembered_(host.MakeCounter("spark_gateway_auth_oidc_tokens_total", "Tokens that callers sent.",
                                   {{"result", "remembered"}})),
      refused_(host.MakeCounter("spark_gateway_auth_oidc_tokens_total", "Tokens that callers sent.",
                                {{"result", "refused"}})),
      unchecked_(host.MakeCounter("spark_gateway_auth_oidc_tokens_total", "Tokens that callers sent.",
                                  {{"result", "unchecked"}})),
      known_(static_cast<std::size_t>(settings_.remember_tokens)),
      provider_(settings_.provider, host) {}

void Oidc::Stop(Completion<Status> done) {
  provider_.Stop();
  done(Status());
}

std::size_t Oidc::HashOfHash::operator()(const Hash& hash) const {
  std::size_t front = 0;
  std::memcpy(&front, hash.data(), sizeof(front));
  return front;
}

Oidc::Hash Oidc::Sha256(std::string_view text) {
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // Looking it up each time adds a third.
  Hash hash{};
  if (EVP_Digest(text.data(), text.size(), hash.data(), nullptr, sha256, nullptr) != 1) throw std::bad_alloc();
  return hash;
}

Status Oidc::Unchecked(std::string_view why, Duration pause) {
  unchecked_.Add();
  return Unavailable("The token could not be checked: " + std::string(why) + " Try again.", RetryIn(pause));
}

Status Oidc::Refuse(Status why) {
  refused_.Add();
  return why;
}

AuthAnswer Oidc::As(const Acting& acting, Identity identity) {
  if (settings_.delegation.empty()) return identity;
  auto acted = acting.Apply(std::move(identity));
  if (!acted) return Refuse(acted.status());
  return *std::move(acted);
}

AuthAnswer Oidc::Authenticate(const AuthCall& call) {
  const auto text = call.bearer();
  if (!text || !Jwt::HasForm(*text)) return Next{};
  const Hash hash = Sha256(*text);
  if (auto known = known_.Find(hash, host_.Now());
      known && known->generation == provider_.generation() && known->identity.expiry > host_.WallNow()) {
    remembered_.Add();
    return As(Acting(settings_.delegation, call), std::move(known->identity));
  }
  auto token = Jwt::Parse(*text);
  if (!token) return Refuse(token.status());
  const Json* const issuer = token->Claim("iss");
  if (!issuer || !issuer->as_string() || *issuer->as_string() != rules_.issuer) return Next{};  // another provider's

  const auto& allowed = settings_.algorithms;
  if (std::find(allowed.begin(), allowed.end(), token->algorithm()) == allowed.end()) {
    return Refuse(Unauthenticated("The token is signed with an algorithm that is not accepted here."));
  }
  if (Status status = CheckClaims(*token, rules_, host_.WallNow()); !status.ok()) return Refuse(std::move(status));
  if (const auto identity = IdentityOf(*token); !identity) return Refuse(identity.status());

  auto [pending, done] = call.Defer<AuthAnswer>();
  const auto check = std::make_shared<const Check>(
      Check{*std::move(token), hash, Acting(settings_.delegation, call), std::move(done)});
  // A storm goes to the threads that may wait.
  const MonotonicTime begin = host_.Now();
  if (in_line_.Take(begin)) {
    Verify(check, Asked::kNot);
    in_line_.Charge(host_.Now() - begin);
  } else {
    VerifyLater(check, Asked::kNot);
  }
  return pending;
}

void Oidc::VerifyLater(const std::shared_ptr<const Check>& check, Asked asked) {
  const Status queued = host_.RunBlocking([this, check, asked] { Verify(check, asked); });
  if (!queued.ok()) check->done(Unchecked("too many are being checked just now.", 1s));
}

void Oidc::Verify(const std::shared_ptr<const Check>& check, Asked asked) {
  const std::uint64_t generation = provider_.generation();  // before the keys: a withdrawal in between is noticed
  const auto keys = provider_.keys();
  if (!keys) {
    return check->done(Unchecked("the identity provider has not answered for a long time.", 10s));
  }
  switch (keys->Verify(check->token)) {
    case KeySet::Verdict::kGood: return check->done(Accept(*check, generation));
    case KeySet::Verdict::kBad: return check->done(Refuse(Unauthenticated("The token's signature is wrong.")));
    case KeySet::Verdict::kUnknownKey: break;
  }
  if (asked == Asked::kAnswered) {
    return check->done(Refuse(Unauthenticated("The token is signed with a key that its issuer does not have.")));
  }
  const auto again = [this, check](bool is_answered) {
    VerifyLater(check, is_answered ? Asked::kAnswered : Asked::kInVain);
  };
  if (asked == Asked::kNot && provider_.AskAgain(keys, again)) return;
  check->done(Unchecked("its key is not known yet, and the identity provider could not be asked for it just now.",
                        provider_.floor_left()));
}

Result<Identity> Oidc::IdentityOf(const Jwt& token) const {
  for (const auto& [claim, wanted] : settings_.required_claims) {
    const std::vector<std::string> texts = token.Texts(claim);
    const Json* const value = token.Claim(claim);
    const bool is_flag = value && value->as_bool() && wanted == (*value->as_bool() ? "true" : "false");
    if (is_flag || std::find(texts.begin(), texts.end(), wanted) != texts.end()) continue;
    return Unauthenticated("The token's claim '" + claim + "' must be '" + wanted + "'.");
  }
  const auto text_of = [&](const std::string& claim) {
    const Json* const found = token.Claim(claim);
    return found && found->as_string() ? *found->as_string() : std::string();
  };
  Identity identity{.subject = text_of(settings_.subject)};
  if (!IsPlain(identity.subject)) {
    return Unauthenticated("The token's claim '" + settings_.subject + "' names nobody.");
  }
  if (std::string name = text_of(settings_.user_name); IsPlain(name)) identity.user_name = std::move(name);
  for (const std::string& claim : settings_.groups) {
    for (std::string& group : token.Texts(claim)) {
      if (IsPlain(group)) identity.groups.push_back(std::move(group));
    }
  }
  for (const std::string& claim : settings_.claims) {
    if (std::string text = text_of(claim); IsPlain(text)) identity.claims.emplace_back(claim, std::move(text));
  }
  identity.expiry = JwtExpiry(token, rules_);
  return identity;
}

AuthAnswer Oidc::Accept(const Check& check, std::uint64_t generation) {
  auto identity = IdentityOf(check.token);
  if (!identity) return Refuse(identity.status());
  const WallTime now = host_.WallNow();
  const WallTime expiry = *identity->expiry;
  if (expiry > now) {
    const auto left = std::chrono::duration_cast<Duration>(expiry - now);
    known_.Put(check.hash, {*identity, generation}, host_.Now() + std::min(left, settings_.remember));
    accepted_.Add();
    return As(check.acting, *std::move(identity));
  }
  Status refusal = Refuse(Unauthenticated("Your token ended at " + TimeText(expiry - rules_.leeway) +
                                          ". Get a new one and connect with it: "
                                          "sc://HOST:PORT/;use_ssl=true;token=<token>. A client that rereads its token "
                                          "for each call needs no new session."));
  if (settings_.on_expired != "grace" || now >= expiry + settings_.grace) return refusal;
  identity->expiry = expiry + settings_.grace;
  auto acted = check.acting.Apply(*std::move(identity));
  if (!acted) return acted.status();
  return Lapsed{*std::move(acted), std::move(refusal)};
}

std::string Oidc::Describe() const {
  JsonWriter json;
  json.BeginObject().Key("provider").Raw(provider_.Describe()).Member("remembered", known_.size()).EndObject();
  return std::move(json).Text();
}

}  // namespace sgw::plugins
