#include "core/http2/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sgw::core {

struct Transport::Descriptor {
  Descriptor(boost::asio::io_context& io, int fd) : stream(io, fd) {}
  boost::asio::posix::stream_descriptor stream;
};

Transport::Transport(Worker& worker, int fd) : descriptor_(std::make_unique<Descriptor>(worker.io(), fd)), fd_(fd) {}

Transport::~Transport() { Close(); }

void Transport::StartTls(ssl_st* ssl) {
  ssl_ = ssl;
  SSL_set_fd(ssl_, fd_);
}

ssize_t Transport::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  return result == 1 ? 1 : Fail(result);
}

std::string_view Transport::protocol() const {
  if (!ssl_) return {};
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

TlsPeer Transport::tls_peer() const {
  TlsPeer peer;
  X509* certificate = ssl_ ? SSL_get0_peer_certificate(ssl_) : nullptr;
  if (!certificate) return peer;
  peer.verified = SSL_get_verify_result(ssl_) == X509_V_OK;
  if (BIO* text = BIO_new(BIO_s_mem())) {
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    char* data = nullptr;
    const long size = BIO_get_mem_data(text, &data);
    peer.subject.assign(data, static_cast<std::size_t>(size));
    BIO_free(text);
  }
  unsigned char* der = nullptr;
  if (const int size = i2d_X509(certificate, &der); size > 0) {
    peer.certificate_der.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const ASN1_STRING* value = name->d.ia5;
    auto& list = name->type == GEN_DNS ? peer.dns_names : peer.uris;
    list.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), ASN1_STRING_length(value));
  }
  GENERAL_NAMES_free(names);
  return peer;
}

void Transport::NoteError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return;
  const char* const reason = ERR_reason_error_string(error);
  tls_error_ = reason ? reason : "error " + std::to_string(error);
  has_refused_peer_ = ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
  if (const long verified = SSL_get_verify_result(ssl_); verified != X509_V_OK) {
    has_refused_peer_ = true;
    tls_error_ += std::string(": ") + X509_verify_cert_error_string(verified);
  }
}

ssize_t Transport::Fail(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: wants_write_ = false; return kAgain;
    case SSL_ERROR_WANT_WRITE: wants_write_ = true; return kAgain;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: NoteError(); return kFailed;
  }
}

ssize_t Transport::Read(char* data, std::size_t size) {
  wants_write_ = false;
  if (ssl_) {
    ERR_clear_error();
    // A record has at most 16 KiB; filling what we were given saves turns of the loop.
    std::size_t total = 0;
    while (total < size) {
      const int result = SSL_read(ssl_, data + total, static_cast<int>(std::min<std::size_t>(size - total, 1 << 30)));
      if (result <= 0) {
        const ssize_t why = Fail(result);
        if (total == 0) return why;
        is_over_ = why != kAgain;
        break;
      }
      total += static_cast<std::size_t>(result);
    }
    return static_cast<ssize_t>(total);
  }
  while (true) {
    const ssize_t result = recv(fd_, data, size, 0);
    if (result >= 0) return result;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? kAgain : kFailed;
  }
}

bool Transport::has_buffered() const { return ssl_ && (is_over_ || SSL_pending(ssl_) > 0); }

ssize_t Transport::Peek(char* data, std::size_t size) {
  const ssize_t result = recv(fd_, data, size, MSG_PEEK);
  if (result >= 0) return result;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? kAgain : kFailed;
}

ssize_t Transport::Write(const iovec* parts, int count) {
  if (!ssl_) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    while (true) {
      const ssize_t result = sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (result >= 0) return result;
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? kAgain : kFailed;
    }
  }
  ERR_clear_error();
  // Small parts share a record; a large one is its own run of records.
  constexpr std::size_t kRecord = 16 * 1024;
  char record[kRecord];
  std::size_t total = 0;
  for (int i = 0; i < count;) {
    const char* data = static_cast<const char*>(parts[i].iov_base);
    std::size_t size = parts[i].iov_len;
    int used = 1;
    if (size < kRecord && i + 1 < count) {
      size = 0;
      used = 0;
      while (i + used < count && size + parts[i + used].iov_len <= kRecord) {
        std::memcpy(record + size, parts[i + used].iov_base, parts[i + used].iov_len);
        size += parts[i + used].iov_len;
        ++used;
      }
      data = record;
    }
    const int result = SSL_write(ssl_, data, static_cast<int>(std::min<std::size_t>(size, 1 << 30)));
    if (result <= 0) return total > 0 ? static_cast<ssize_t>(total) : Fail(result);
    total += static_cast<std::size_t>(result);
    if (static_cast<std::size_t>(result) < size) return static_cast<ssize_t>(total);
    i += used;
  }
  return static_cast<ssize_t>(total);
}

void Transport::WaitReadable(Task task) {
  if (fd_ < 0) return;
  descriptor_->stream.async_wait(boost::asio::posix::descriptor_base::wait_read,
                                 [task = std::move(task)](const boost::system::error_code& error) mutable {
                                   if (!error) task();
                                 });
}

void Transport::WaitWritable(Task task) {
  if (fd_ < 0) return;
  descriptor_->stream.async_wait(boost::asio::posix::descriptor_base::wait_write,
                                 [task = std::move(task)](const boost::system::error_code& error) mutable {
                                   if (!error) task();
                                 });
}

struct Transport::Lingering : std::enable_shared_from_this<Lingering> {
  std::unique_ptr<Transport> transport;
  Task done;
  Timer deadline;
  int reads_left = 256;

  void Drop() {
    if (!done) return;
    std::array<char, 16 * 1024> rest;
    for (; reads_left > 0; --reads_left) {
      // Below TLS: what is thrown away need not be understood.
      const ssize_t size = recv(transport->fd_, rest.data(), rest.size(), 0);
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return transport->WaitReadable([self = shared_from_this()] { self->Drop(); });
      }
      if (size <= 0) break;
    }
    End();
  }
  void End() {
    deadline.Cancel();
    transport->Close();
    if (done) std::exchange(done, {})();
  }
};

void Transport::CloseGently(Worker& worker, std::unique_ptr<Transport> transport, Task done) {
  if (transport->ssl_) {
    ERR_clear_error();
    SSL_shutdown(transport->ssl_);
  }
  shutdown(transport->fd_, SHUT_WR);
  auto lingering = std::make_shared<Lingering>();
  lingering->transport = std::move(transport);
  lingering->done = std::move(done);
  lingering->deadline = worker.StartTimer(std::chrono::seconds(1), [weak = std::weak_ptr(lingering)] {
    if (const auto self = weak.lock()) self->End();
  });
  lingering->Drop();
}

void Transport::Close() {
  if (fd_ < 0) return;
  if (ssl_) {
    SSL_set_quiet_shutdown(ssl_, 1);
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  boost::system::error_code ignored;
  descriptor_->stream.close(ignored);
  fd_ = -1;
}

}  // namespace sgw::core
