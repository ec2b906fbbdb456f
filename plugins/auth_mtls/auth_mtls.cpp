#include "auth_mtls.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <sgw/pattern.h>
#include <sgw/wall_time.h>

#include <algorithm>
#include <ctime>
#include <memory>

namespace sgw::plugins {
namespace {

constexpr std::size_t kMaxName = 256;

struct CertificateFreer {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, CertificateFreer>;

Certificate Read(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  return Certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

// The name's last CN in UTF-8; empty when it has none.
std::string CommonName(X509* certificate) {
  X509_NAME* const name = X509_get_subject_name(certificate);
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return "";
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
  if (size < 0) return "";
  std::string copy(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return copy;
}

std::optional<WallTime> EndOf(X509* certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return std::nullopt;
  return WallTimeAt(timegm(&parts));
}

// What a certificate says in one place must not pass for what another would: a common name, that any authority signs,
// is no SPIFFE ID. A NUL or a line break in a name is somebody's trick.
bool IsName(std::string_view place, std::string_view text) {
  const bool has_colon = text.find(':') != std::string_view::npos;
  if (place == "uri" && !has_colon) return false;
  if (place == "dns" && has_colon) return false;
  if (place != "uri" && text.find("://") != std::string_view::npos) return false;
  return !text.empty() && text.size() <= kMaxName &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

}  // namespace

Status MtlsSettings::Validate() const {
  if (subject.empty()) return InvalidArgument("subject: needs at least one place");
  for (const std::string& place : subject) {
    if (place != "uri" && place != "dns" && place != "common_name" && place != "distinguished_name") {
      return InvalidArgument("subject: '" + place + "' is none of uri, dns, common_name, distinguished_name");
    }
  }
  return {};
}

std::vector<std::string> Mtls::NamesIn(const TlsPeer& peer, const std::string& place) {
  if (place == "uri") return {peer.uris.begin(), peer.uris.end()};
  if (place == "dns") return {peer.dns_names.begin(), peer.dns_names.end()};
  if (place == "distinguished_name") return {std::string(peer.subject)};
  const Certificate certificate = Read(peer.certificate);
  return {certificate ? CommonName(certificate.get()) : std::string()};
}

AuthAnswer Mtls::Authenticate(const AuthCall& call) {
  const auto peer = call.tls();
  if (!peer || !peer->is_verified) return Next{};
  std::vector<std::string> names;
  for (const std::string& place : settings_.subject) {
    names = NamesIn(*peer, place);
    std::erase_if(names, [&place](const std::string& one) { return !IsName(place, one); });
    if (!names.empty()) break;
  }
  if (!settings_.allow.empty()) {
    std::erase_if(names, [this](const std::string& one) { return !MatchesAny(one, settings_.allow); });
  }
  if (names.empty()) {
    return PermissionDenied(
        "Your certificate is good, but its name is not known here. Ask for one with a name that is.");
  }
  Identity identity{.subject = names.front()};
  for (const auto& [group, patterns] : settings_.groups) {
    if (MatchesAny(identity.subject, patterns)) identity.groups.push_back(group);
  }
  if (const Certificate certificate = Read(peer->certificate)) identity.expiry = EndOf(certificate.get());
  return Acting(settings_.delegation, call).Apply(std::move(identity));
}

}  // namespace sgw::plugins
