// Oidc knows callers by the signed tokens of an OpenID Connect provider.
#pragma once

#include <sgw/delegation.h>
#include <sgw/plugin.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inline_budget.h"
#include "provider.h"

namespace sgw::plugins {

struct OidcSettings {
  ProviderSettings provider;
  std::vector<std::string> audiences;
  std::vector<std::string> algorithms = {"RS256", "ES256", "EdDSA", "PS256"};
  Duration leeway = 60s;
  std::string subject = "sub";
  std::string user_name = "preferred_username";
  std::vector<std::string> groups = {"groups"};
  std::vector<std::string> claims;
  Table<std::string> required_claims;
  bool id_tokens = false;
  std::string on_expired = "refuse";
  Duration grace = 8h;
  std::vector<Delegation> delegation;
  Duration remember = 5min;
  std::int64_t remember_tokens = 10'000;

  static constexpr auto kSchema = Settings(
      Inlined(&OidcSettings::provider),
      Setting("audiences", &OidcSettings::audiences, "A token must be for one of these (`aud`).", kRequired),
      Setting("algorithms", &OidcSettings::algorithms, "Signatures that are accepted."),
      Setting("leeway", &OidcSettings::leeway, "How much the clocks may differ."),
      Setting("subject", &OidcSettings::subject,
              "The claim that names the caller; a JSON pointer reaches into a claim."),
      Setting("user_name", &OidcSettings::user_name, "The claim with the name that people read."),
      Setting("groups", &OidcSettings::groups, "The claims with the caller's groups: texts or lists of texts."),
      Setting("claims", &OidcSettings::claims, "Further claims for routers and audits."),
      Setting("required_claims", &OidcSettings::required_claims, "Claims that must have this value, or contain it."),
      Setting("id_tokens", &OidcSettings::id_tokens, "Accept the ID tokens of a browser's sign-in, too."),
      Setting("on_expired", &OidcSettings::on_expired,
              "What becomes of new calls of a running session whose token has "
              "ended: `refuse`, or `grace` for as long as `grace` says."),
      Setting("grace", &OidcSettings::grace, "How long sessions may go on after their token, with on_expired: grace."),
      Setting("delegation", &OidcSettings::delegation, kDelegationDoc),
      Setting("remember", &OidcSettings::remember,
              "How long a token that was checked is not checked again, over all connections."),
      Setting("remember_tokens", &OidcSettings::remember_tokens, "How many are remembered at most."));

  Status Validate() const;
};

class Oidc : public Authenticator {
 public:
  static constexpr bool kIsRemembered = true;

  Oidc(OidcSettings settings, Host& host);

  void Start(Completion<Status> done) override { provider_.Start(std::move(done)); }
  void Stop(Completion<Status> done) override;
  AuthAnswer Authenticate(const AuthCall& call) override;
  std::string Describe() const override;

 private:
  using Hash = std::array<unsigned char, 32>;
  struct HashOfHash {
    std::size_t operator()(const Hash& hash) const;
  };
  struct Known {
    Identity identity{};
    std::uint64_t generation = 0;  // of the keys that it was checked with
  };

  static Hash Sha256(std::string_view text);
  // Who the claims say that it is; a refusal for claims that are not as they must be.
  Result<Identity> IdentityOf(const Jwt& token) const;
  // One token that is being checked.
  struct Check {
    Jwt token;
    Hash hash;
    Acting acting;
    Completion<AuthAnswer> done{};
  };

  // What was done for a key that is not known.
  enum class Asked : std::uint8_t { kNot, kInVain, kAnswered };

  // Checks the signature, and asks the provider once for a key that is not known.
  void Verify(const std::shared_ptr<const Check>& check, Asked asked);
  // The same on a thread that may wait.
  void VerifyLater(const std::shared_ptr<const Check>& check, Asked asked);
  // What a token with a good signature is worth.
  AuthAnswer Accept(const Check& check, std::uint64_t generation);
  AuthAnswer As(const Acting& acting, Identity identity);
  Status Refuse(Status why);
  Status Unchecked(std::string_view why, Duration pause);

  const OidcSettings settings_;
  const JwtRules rules_;
  Host& host_;
  const Counter accepted_;
  const Counter remembered_;
  const Counter refused_;
  const Counter unchecked_;
  InlineBudget in_line_;  // for signatures, over all workers
  Cache<Hash, Known, HashOfHash> known_;
  Provider provider_;
};

}  // namespace sgw::plugins
