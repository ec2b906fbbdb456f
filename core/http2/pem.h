// PEM files as OpenSSL's objects. For sources of this room.
#pragma once

#include <sgw/status.h>

#include <memory>
#include <string>
#include <vector>

struct x509_st;
struct X509_crl_st;
struct evp_pkey_st;

namespace sgw::core {

struct OpensslFree {
  void operator()(x509_st* certificate) const;
  void operator()(X509_crl_st* list) const;
  void operator()(evp_pkey_st* key) const;
};
using CertificatePtr = std::unique_ptr<x509_st, OpensslFree>;
using RevocationListPtr = std::unique_ptr<X509_crl_st, OpensslFree>;
using KeyPtr = std::unique_ptr<evp_pkey_st, OpensslFree>;

// What OpenSSL says of its oldest error; forgets all of them.
std::string OpensslError();

// At least one each. Not OK: what is wrong with the file, with its path.
Result<std::vector<CertificatePtr>> ReadCertificates(const std::string& path);
Result<std::vector<RevocationListPtr>> ReadRevocationLists(const std::string& path);
// One without a passphrase: nobody could be asked for it.
Result<KeyPtr> ReadKey(const std::string& path);

}  // namespace sgw::core
