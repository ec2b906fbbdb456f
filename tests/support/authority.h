// Authority: certificates, keys and revocation lists of our own, for tests.
#pragma once

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

namespace sgw::testing {

class Authority {
 public:
  struct Wanted {
    std::string common_name = "localhost";
    std::string names = "DNS:localhost,IP:127.0.0.1";  // the subjectAltName
    long begins = -3600;                               // in seconds from now
    long ends = 3600;
  };
  struct Issued {
    std::string certificate;  // PEM
    std::string key;          // PEM
    long serial = 0;
  };

  explicit Authority(std::string name = "tests") : key_(EVP_EC_gen("P-256")), name_(std::move(name)) {
    X509* const own = Begin({name_, "", -3600, 3600}, key_);
    Extend(own, NID_basic_constraints, "critical,CA:TRUE");
    Extend(own, NID_key_usage, "critical,keyCertSign,cRLSign");
    certificate_ = Finish(own);
  }
  ~Authority() { EVP_PKEY_free(key_); }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  const std::string& certificate() const { return certificate_; }

  Issued Issue(const Wanted& wanted) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = Begin(wanted, key);
    Extend(certificate, NID_subject_alt_name, wanted.names.c_str());
    Issued issued{Finish(certificate),
                  Text([&](BIO* out) { PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); }),
                  serial_};
    EVP_PKEY_free(key);
    return issued;
  }
  Issued Issue() { return Issue({}); }

  // The list, in PEM, of certificates that are good no more.
  std::string Revoke(const std::vector<long>& serials) const {
    X509_CRL* const list = X509_CRL_new();
    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_NAME* const name = NameOf(name_);
    X509_CRL_set_issuer_name(list, name);
    X509_NAME_free(name);
    ASN1_TIME* const time = ASN1_TIME_new();
    X509_CRL_set1_lastUpdate(list, X509_gmtime_adj(time, -60));
    X509_CRL_set1_nextUpdate(list, X509_gmtime_adj(time, 3600));
    for (const long serial : serials) {
      X509_REVOKED* const entry = X509_REVOKED_new();
      ASN1_INTEGER* const number = ASN1_INTEGER_new();
      ASN1_INTEGER_set(number, serial);
      X509_REVOKED_set_serialNumber(entry, number);
      X509_REVOKED_set_revocationDate(entry, X509_gmtime_adj(time, -60));
      X509_CRL_add0_revoked(list, entry);
      ASN1_INTEGER_free(number);
    }
    ASN1_TIME_free(time);
    REQUIRE(X509_CRL_sign(list, key_, EVP_sha256()) > 0);
    std::string text = Text([&](BIO* out) { PEM_write_bio_X509_CRL(out, list); });
    X509_CRL_free(list);
    return text;
  }

 private:
  static X509_NAME* NameOf(const std::string& common_name) {
    X509_NAME* const name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()),
                               -1, -1, 0);
    return name;
  }
  template <typename Write>
  static std::string Text(const Write& write) {
    BIO* const out = BIO_new(BIO_s_mem());
    write(out);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(out);
    return text;
  }
  static void Extend(X509* certificate, int what, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
    REQUIRE(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509* Begin(const Wanted& wanted, EVP_PKEY* key) {
    X509* const certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wanted.begins);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.ends);
    X509_set_pubkey(certificate, key);
    X509_NAME* const subject = NameOf(wanted.common_name);
    X509_NAME* const issuer = NameOf(name_);
    X509_set_subject_name(certificate, subject);
    X509_set_issuer_name(certificate, issuer);
    X509_NAME_free(subject);
    X509_NAME_free(issuer);
    return certificate;
  }
  std::string Finish(X509* certificate) {
    REQUIRE(X509_sign(certificate, key_, EVP_sha256()) > 0);
    std::string text = Text([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
    X509_free(certificate);
    return text;
  }

  EVP_PKEY* const key_;
  const std::string name_;
  long serial_ = 0;
  std::string certificate_;
};

}  // namespace sgw::testing
