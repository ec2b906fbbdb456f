#include "core/http2/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace sgw::core {
namespace {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;

Status Wrong(const char* what, const std::string& path, const std::string& why) {
  ERR_clear_error();
  return FailedPrecondition("cannot use the " + std::string(what) + " " + path + ": " + why);
}

Result<BioPtr> Open(const char* what, const std::string& path) {
  ERR_clear_error();
  errno = 0;
  BioPtr file(BIO_new_file(path.c_str(), "r"));
  if (!file) return Wrong(what, path, std::generic_category().message(errno));
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return Wrong(what, path, "it is a folder");
  return file;
}

template <typename Ptr, auto kRead>
Result<std::vector<Ptr>> ReadAll(const char* what, const std::string& path) {
  auto file = Open(what, path);
  if (!file) return file.status();
  std::vector<Ptr> all;
  while (auto* one = kRead(file->get(), nullptr, nullptr, nullptr)) all.emplace_back(one);
  if (all.empty() || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return Wrong(what, path, OpensslError());
  ERR_clear_error();
  return all;
}

int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

void OpensslFree::operator()(x509_st* certificate) const { X509_free(certificate); }
void OpensslFree::operator()(X509_crl_st* list) const { X509_CRL_free(list); }
void OpensslFree::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

std::string OpensslError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(error);
  return reason ? reason : "error " + std::to_string(error);
}

Result<std::vector<CertificatePtr>> ReadCertificates(const std::string& path) {
  return ReadAll<CertificatePtr, PEM_read_bio_X509>("certificate", path);
}

Result<std::vector<RevocationListPtr>> ReadRevocationLists(const std::string& path) {
  return ReadAll<RevocationListPtr, PEM_read_bio_X509_CRL>("revocation list", path);
}

Result<KeyPtr> ReadKey(const std::string& path) {
  auto file = Open("key", path);
  if (!file) return file.status();
  KeyPtr key(PEM_read_bio_PrivateKey(file->get(), nullptr, NoPassphrase, nullptr));
  if (!key) return Wrong("key", path, OpensslError());
  return key;
}

}  // namespace sgw::core
