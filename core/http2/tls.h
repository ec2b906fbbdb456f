// TLS of listeners and towards drivers, on OpenSSL: certificates, authorities, and who the peer is.
//
// TLS 1.2 and 1.3 with ephemeral key exchange and authenticated ciphers, keys and signatures of at least 112 bits, no
// compression, no renegotiation. Nothing weaker can be had.
#pragma once

#include <sgw/values.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace sgw::core {

// PEM files; an empty path: none.
struct TlsFiles {
  std::string certificate;  // with its chain
  std::string key;          // the certificate's
  std::string ca;           // whom peers' certificates must come from
  std::string crl;          // revoked ones: a list for each authority of a chain
};

// What a listener does beyond presenting its certificate. Clients are asked for theirs when there is a `ca`.
struct ListenerTls {
  TlsFiles files;
  bool is_client_required = true;  // no certificate, no connection; a bad one never gets one
  bool is_13_only = false;
};

// Immutable; shared by connections.
class TlsContext {
 public:
  // Reads the files. ABORTED: the key and the certificate do not belong together, which is how a pair looks that is
  // being replaced; FAILED_PRECONDITION: what is wrong with which file.
  //
  // A listener's ALPN answers h2, and http/1.1 so that such a client can be told what this port is.
  static Result<std::shared_ptr<const TlsContext>> ForListener(const ListenerTls& settings);
  // Towards drivers: `ca` verifies them, the certificate is presented to those who ask; it may be missing.
  static Result<std::shared_ptr<const TlsContext>> ForDrivers(const TlsFiles& files);
  ~TlsContext();

  // The state of one accepted connection; freed with SSL_free.
  ssl_st* Accept() const;
  // The state of one connection to a server whose certificate must carry this DNS name or IP address. Null: it is none.
  ssl_st* ConnectTo(const std::string& server_name) const;
  // Verifies the certificates that the peer of an accepted connection has presented against this context, which need
  // not be the connection's own. Not OK: what is wrong with them.
  Status VerifyPeer(ssl_st* connection) const;

  // The end of our own certificate; the epoch when there is none.
  std::chrono::system_clock::time_point not_after() const { return not_after_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  Status Present(const TlsFiles& files);
  Status Trust(const TlsFiles& files, bool names_authorities);

  ssl_ctx_st* context_;
  std::chrono::system_clock::time_point not_after_;
};

// The context that new connections take. Safe for concurrent use.
class TlsSource {
 public:
  explicit TlsSource(std::shared_ptr<const TlsContext> first) : context_(std::move(first)) {}

  std::shared_ptr<const TlsContext> context() const;
  void Replace(std::shared_ptr<const TlsContext> next);
  // Grows with each Replace, after it: what is read before context() is never too high.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;  // Guards context_.
  std::shared_ptr<const TlsContext> context_;
  std::atomic<std::uint64_t> version_{0};
};

// Whether an endpoint is reached by TLS, where the gateway has authorities for servers or has none.
bool WantsTls(const Endpoint& endpoint, bool is_configured);
// What its certificate must carry.
std::string ServerNameOf(const Endpoint& endpoint);

// What is known of the peer of a TLS connection.
struct TlsPeer {
  bool verified = false;
  std::string subject;
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
  std::string certificate_der;
};

}  // namespace sgw::core
