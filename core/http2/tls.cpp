#include "core/http2/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sgw/wall_time.h>

#include <array>
#include <ctime>

#include "core/http2/pem.h"

namespace sgw::core {
namespace {

constexpr unsigned char kH2[] = "\x02h2";
constexpr int kSecurityLevel = 2;  // OpenSSL's word for 112 bits

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                   unsigned int offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof(kOurs) - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void SetPolicy(SSL_CTX* context, bool is_13_only) {
  SSL_CTX_set_security_level(context, kSecurityLevel);
  SSL_CTX_set_min_proto_version(context, is_13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // RFC 9113, section 9.2.2: only ephemeral key exchange with AEAD.
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

bool IsIpAddress(const std::string& name) {
  std::array<unsigned char, sizeof(in6_addr)> ignored;
  return inet_pton(AF_INET, name.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, name.c_str(), ignored.data()) == 1;
}

}  // namespace

Status TlsContext::Present(const TlsFiles& files) {
  const auto chain = ReadCertificates(files.certificate);
  if (!chain) return chain.status();
  const auto key = ReadKey(files.key);
  if (!key) return key.status();
  X509* const own = chain->front().get();
  if (X509_check_private_key(own, key->get()) != 1) {
    ERR_clear_error();
    return {StatusCode::kAborted, "the key " + files.key + " does not belong to the certificate " + files.certificate};
  }
  bool is_taken = SSL_CTX_use_certificate(context_, own) == 1 && SSL_CTX_use_PrivateKey(context_, key->get()) == 1;
  for (std::size_t i = 1; i < chain->size(); ++i)
    is_taken = is_taken && SSL_CTX_add1_chain_cert(context_, (*chain)[i].get()) == 1;
  if (!is_taken) return FailedPrecondition("cannot use the certificate " + files.certificate + ": " + OpensslError());
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(own), &end) == 1) not_after_ = WallTimeAt(timegm(&end));
  return {};
}

Status TlsContext::Trust(const TlsFiles& files, bool names_authorities) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context_);
  const auto authorities = ReadCertificates(files.ca);
  if (!authorities) return authorities.status();
  for (const CertificatePtr& one : *authorities) {
    if (X509_STORE_add_cert(store, one.get()) != 1 ||
        (names_authorities && SSL_CTX_add_client_CA(context_, one.get()) != 1))
      return FailedPrecondition("cannot use the certificate " + files.ca + ": " + OpensslError());
  }
  // Who stands in the file is trusted, whether or not it signs itself.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  if (files.crl.empty()) return {};
  const auto lists = ReadRevocationLists(files.crl);
  if (!lists) return lists.status();
  for (const RevocationListPtr& one : *lists) {
    if (X509_STORE_add_crl(store, one.get()) != 1)
      return FailedPrecondition("cannot use the revocation list " + files.crl + ": " + OpensslError());
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

Result<std::shared_ptr<const TlsContext>> TlsContext::ForListener(const ListenerTls& settings) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  if (!context) return Internal("TLS: " + OpensslError());
  const std::shared_ptr<TlsContext> made(new TlsContext(context));
  SetPolicy(context, settings.is_13_only);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
  if (Status status = made->Present(settings.files); !status.ok()) return status;
  if (settings.files.ca.empty()) {
    // What resumes a session travels in its ticket; nothing is kept here. One is enough for a client that keeps its
    // connection.
    SSL_CTX_set_num_tickets(context, 1);
    return std::shared_ptr<const TlsContext>(made);
  }
  if (Status status = made->Trust(settings.files, true); !status.ok()) return status;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (settings.is_client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  // A resumed session would be one whose certificate nobody looks at.
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  return std::shared_ptr<const TlsContext>(made);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::ForDrivers(const TlsFiles& files) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  if (!context) return Internal("TLS: " + OpensslError());
  const std::shared_ptr<TlsContext> made(new TlsContext(context));
  SetPolicy(context, false);
  SSL_CTX_set_alpn_protos(context, kH2, sizeof(kH2) - 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (Status status = made->Trust(files, false); !status.ok()) return status;
  if (files.certificate.empty()) return std::shared_ptr<const TlsContext>(made);
  if (Status status = made->Present(files); !status.ok()) return status;
  return std::shared_ptr<const TlsContext>(made);
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

ssl_st* TlsContext::Accept() const {
  SSL* const ssl = SSL_new(context_);
  SSL_set_accept_state(ssl);
  return ssl;
}

ssl_st* TlsContext::ConnectTo(const std::string& server_name) const {
  SSL* const ssl = SSL_new(context_);
  SSL_set_connect_state(ssl);
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool is_bound = false;
  if (IsIpAddress(server_name)) {
    is_bound = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name.c_str()) == 1;
  } else {
    // A name may be written with the dot of the root; certificates carry it without.
    const std::string name = server_name.ends_with('.') ? server_name.substr(0, server_name.size() - 1) : server_name;
    SSL_set_tlsext_host_name(ssl, name.c_str());
    // Without a name, any would do.
    is_bound = !name.empty() && SSL_set1_host(ssl, name.c_str()) == 1;
  }
  if (is_bound) return ssl;
  SSL_free(ssl);
  return nullptr;
}

Status TlsContext::VerifyPeer(ssl_st* connection) const {
  X509_STORE_CTX* const verification = X509_STORE_CTX_new();
  X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(context_), SSL_get0_peer_certificate(connection),
                      SSL_get_peer_cert_chain(connection));
  X509_STORE_CTX_set_default(verification, "ssl_client");
  X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(verification), kSecurityLevel);
  const bool is_good = X509_verify_cert(verification) == 1;
  const int error = X509_STORE_CTX_get_error(verification);
  X509_STORE_CTX_free(verification);
  ERR_clear_error();
  return is_good ? Status() : Unauthenticated(X509_verify_cert_error_string(error));
}

bool WantsTls(const Endpoint& endpoint, bool is_configured) {
  return endpoint.tls == Tls::kOn || (endpoint.tls == Tls::kConfigured && is_configured);
}

std::string ServerNameOf(const Endpoint& endpoint) {
  // A Unix socket has no name of its own.
  if (!endpoint.server_name.empty() || endpoint.address.starts_with("unix:")) return endpoint.server_name;
  const std::string host = endpoint.address.substr(0, endpoint.address.rfind(':'));
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

std::shared_ptr<const TlsContext> TlsSource::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

void TlsSource::Replace(std::shared_ptr<const TlsContext> next) {
  {
    const std::lock_guard lock(mutex_);
    context_ = std::move(next);
  }
  version_.fetch_add(1, std::memory_order_release);
}

}  // namespace sgw::core
