// Transport: the bytes of one socket, plain or under TLS, read and written without blocking.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "core/http2/tls.h"
#include "core/worker/worker.h"

namespace sgw::core {

class Transport {
 public:
  static constexpr ssize_t kAgain = -1;  // wait, then try again
  static constexpr ssize_t kFailed = -2;

  // Takes the connected, non-blocking descriptor.
  Transport(Worker& worker, int fd);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // From here on the bytes are TLS records. Takes the connection's state.
  void StartTls(ssl_st* ssl);
  // Goes on with the handshake: 1 when it is done, kAgain, kFailed.
  ssize_t Handshake();
  // The protocol that ALPN chose; empty without TLS or ALPN.
  std::string_view protocol() const;
  ssl_st* tls() const { return ssl_; }
  TlsPeer tls_peer() const;
  // What TLS found wrong when it failed, in OpenSSL's words; empty when it found nothing and the peer just ended.
  const std::string& tls_error() const { return tls_error_; }
  // What was wrong is the certificate of the peer, or that it has none.
  bool has_refused_peer() const { return has_refused_peer_; }

  // Bytes read (0 at the end), kAgain or kFailed.
  ssize_t Read(char* data, std::size_t size);
  // Looks at the first bytes without taking them; before StartTls.
  ssize_t Peek(char* data, std::size_t size);
  // There is more for Read() that the socket does not show any more: no wait would end.
  bool has_buffered() const;
  // Bytes written, kAgain or kFailed.
  ssize_t Write(const iovec* parts, int count);

  // Runs the task once, when it may be worth trying again. One wait of each kind at a time; dropped by Close().
  void WaitReadable(Task task);
  void WaitWritable(Task task);
  // What the last kAgain of Read or Handshake waited for may be room to write: this waits for whichever it was.
  void WaitForRead(Task task) { wants_write_ ? WaitWritable(std::move(task)) : WaitReadable(std::move(task)); }

  void Close();
  // Ends our side, throws away what the peer still sends, and closes when it has ended its own or a second has passed;
  // then runs `done`. Closing with bytes unread is a reset, and a reset may overtake what the peer is to read.
  static void CloseGently(Worker& worker, std::unique_ptr<Transport> transport, Task done);
  int fd() const { return fd_; }

 private:
  struct Descriptor;
  struct Lingering;
  ssize_t Fail(int result);
  void NoteError();

  std::unique_ptr<Descriptor> descriptor_;
  int fd_;
  ssl_st* ssl_ = nullptr;
  std::string tls_error_;
  bool has_refused_peer_ = false;
  bool wants_write_ = false;
  bool is_over_ = false;  // TLS: Read() has seen the end behind what it gave
};

}  // namespace sgw::core
