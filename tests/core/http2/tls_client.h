// Clients that speak TLS, for tests.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sgw/testing/temp_dir.h>

#include <atomic>
#include <string>
#include <thread>

#include "core/http2/tls.h"
#include "tests/core/http2/raw_client.h"
#include "tests/support/authority.h"

namespace sgw::core::testing {

// Files of a TLS side, written where they can be replaced.
class TlsFolder {
 public:
  TlsFiles With(const sgw::testing::Authority::Issued& own) {
    files.certificate = folder_.Write("tls.crt", own.certificate);
    files.key = folder_.Write("tls.key", own.key);
    return files;
  }
  TlsFiles Trusting(const std::string& ca, const std::string& crl = "") {
    files.ca = folder_.Write("ca.crt", ca);
    files.crl = crl.empty() ? "" : folder_.Write("ca.crl", crl);
    return files;
  }
  TlsFiles files;

 private:
  sgw::testing::TempDir folder_;
};

// A listener's TLS that is there already.
inline std::shared_ptr<TlsSource> SourceOf(const ListenerTls& settings) {
  const auto context = TlsContext::ForListener(settings);
  REQUIRE_MESSAGE(context, context.status().message());
  return std::make_shared<TlsSource>(*context);
}

// One with a fresh certificate.
inline std::shared_ptr<TlsSource> OwnCertificate() {
  TlsFolder folder;
  return SourceOf({folder.With(sgw::testing::Authority().Issue())});
}

// One blocking TLS connection. `alpn` is what is offered, in the form of the protocol: "\2h2";
// `own` is what it presents.
class TlsClient {
 public:
  TlsClient(int fd, const std::string& alpn, int version = 0, const TlsFiles& own = {}) : fd_(fd) {
    context_ = SSL_CTX_new(TLS_client_method());
    if (!own.certificate.empty()) {
      REQUIRE(SSL_CTX_use_certificate_chain_file(context_, own.certificate.c_str()) == 1);
      REQUIRE(SSL_CTX_use_PrivateKey_file(context_, own.key.c_str(), SSL_FILETYPE_PEM) == 1);
    }
    if (version != 0) {
      SSL_CTX_set_min_proto_version(context_, version);
      SSL_CTX_set_max_proto_version(context_, version);
    }
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!alpn.empty()) {
      SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>(alpn.data()),
                              static_cast<unsigned>(alpn.size()));
    }
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    is_connected_ = SSL_connect(ssl_) == 1;
    ERR_clear_error();
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    close(fd_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool is_connected() const { return is_connected_; }
  std::string version() const { return SSL_get_version(ssl_); }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const int size = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  // Up to the end; `is_clean`: the peer said that it is the end.
  std::string ReadAll(bool* is_clean = nullptr) {
    std::string all;
    char bytes[4096];
    int size = 0;
    while ((size = SSL_read(ssl_, bytes, sizeof(bytes))) > 0) all.append(bytes, static_cast<std::size_t>(size));
    if (is_clean) *is_clean = SSL_get_error(ssl_, size) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return all;
  }
  // Whether these bytes come within the time.
  bool ReadUntil(std::string_view wanted, int milliseconds) {
    const timeval limit{milliseconds / 1000, milliseconds % 1000 * 1000};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    std::string all;
    char bytes[4096];
    int size = 0;
    while (all.find(wanted) == std::string::npos && (size = SSL_read(ssl_, bytes, sizeof(bytes))) > 0) {
      all.append(bytes, static_cast<std::size_t>(size));
    }
    return all.find(wanted) != std::string::npos;
  }
  ssl_st* ssl() { return ssl_; }
  int fd() const { return fd_; }

 private:
  int fd_;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* ssl_ = nullptr;
  bool is_connected_ = false;
};

// Listens in plain on loopback and carries one connection on through TLS: a client without TLS reaches a port with it.
class TlsTunnel {
 public:
  TlsTunnel(const std::string& to, int version = 0, const TlsFiles& own = {})
      : client_(RawConnect(to), "\2h2", version, own) {
    REQUIRE(client_.is_connected());
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&name), size) == 0);
    REQUIRE(listen(listener_, 1) == 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
    address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    thread_ = std::thread([this] { Carry(); });
  }
  ~TlsTunnel() {
    shutdown(client_.fd(), SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string address;
  TlsClient& client() { return client_; }

 private:
  void Carry() {
    const int plain = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    const int on = 1;
    setsockopt(plain, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(client_.fd(), F_SETFL, O_NONBLOCK);
    std::string up, down;
    char bytes[64 * 1024];
    while (true) {
      bool has_moved = false;
      if (up.empty()) {
        const ssize_t size = recv(plain, bytes, sizeof(bytes), 0);
        if (size == 0) break;
        if (size > 0) up.assign(bytes, static_cast<std::size_t>(size));
      }
      if (!up.empty()) {
        if (const int size = SSL_write(client_.ssl(), up.data(), static_cast<int>(up.size())); size > 0) {
          up.erase(0, static_cast<std::size_t>(size));
          has_moved = true;
        }
      }
      if (down.empty()) {
        const int size = SSL_read(client_.ssl(), bytes, sizeof(bytes));
        if (size > 0) down.assign(bytes, static_cast<std::size_t>(size));
        if (size <= 0 && SSL_get_error(client_.ssl(), size) != SSL_ERROR_WANT_READ) break;
      }
      if (!down.empty()) {
        if (const ssize_t size = send(plain, down.data(), down.size(), MSG_NOSIGNAL); size > 0) {
          down.erase(0, static_cast<std::size_t>(size));
          has_moved = true;
        }
      }
      if (has_moved) continue;
      pollfd waits[] = {
          {plain, static_cast<short>((up.empty() ? POLLIN : 0) | (down.empty() ? 0 : POLLOUT)), 0},
          {client_.fd(), static_cast<short>((down.empty() ? POLLIN : 0) | (up.empty() ? 0 : POLLOUT)), 0}};
      poll(waits, 2, -1);
    }
    close(plain);
    shutdown(client_.fd(), SHUT_RDWR);
  }

  TlsClient client_;
  int listener_ = -1;
  std::thread thread_;
};

}  // namespace sgw::core::testing
