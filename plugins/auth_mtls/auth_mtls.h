// Mtls knows callers by the certificates that their TLS connections were opened with.
#pragma once

#include <sgw/delegation.h>
#include <sgw/plugin.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sgw::plugins {

struct MtlsSettings {
  std::vector<std::string> subject = {"uri", "dns", "common_name"};
  std::vector<std::string> allow;
  Table<std::vector<std::string>> groups;
  std::vector<Delegation> delegation;

  static constexpr auto kSchema = Settings(
      Setting("subject", &MtlsSettings::subject,
              "What of the certificate names the caller, the first that it has: uri, dns, common_name, "
              "distinguished_name."),
      Setting("allow", &MtlsSettings::allow, "Names that are known; `*` stands for any text. Empty: all names."),
      Setting("groups", &MtlsSettings::groups, "Group to the names that are in it; `*` stands for any text."),
      Setting("delegation", &MtlsSettings::delegation, kDelegationDoc));

  Status Validate() const;
};

class Mtls : public Authenticator {
 public:
  static constexpr bool kNeedsCertificates = true;
  static constexpr bool kIsRemembered = true;

  explicit Mtls(MtlsSettings settings) : settings_(std::move(settings)) {}

  AuthAnswer Authenticate(const AuthCall& call) override;

 private:
  // The names that the certificate has in this place.
  static std::vector<std::string> NamesIn(const TlsPeer& peer, const std::string& place);

  const MtlsSettings settings_;
};

}  // namespace sgw::plugins
