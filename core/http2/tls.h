// TLS of a listener: certificate, key and the protocol's versions, on OpenSSL.
#pragma once

#include <sgw/status.h>

#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace sgw::core {

// Immutable; shared by the connections of a listener.
class TlsServerContext {
 public:
  // Reads PEM files: the certificate with its chain, and its key, which must belong to it. TLS 1.2 and 1.3, no
  // compression, no renegotiation; ALPN answers h2, and http/1.1 so that such a client can be told what this port is.
  static Result<std::shared_ptr<const TlsServerContext>> Load(const std::string& certificate, const std::string& key);
  ~TlsServerContext();

  // A new server side for one connection; freed with SSL_free.
  ssl_st* NewConnection() const;

 private:
  explicit TlsServerContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

// What is known of the peer of a TLS connection.
struct TlsPeer {
  bool verified = false;
  std::string subject;
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
  std::string certificate_der;
};

}  // namespace sgw::core
