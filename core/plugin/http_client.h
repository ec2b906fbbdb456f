// HttpClient: the HTTP(S) requests of all plugins, on libcurl and one thread of its own.
//
// Connections are kept and shared by all requests that trust the same authorities and show the same certificate.
#pragma once

#include <sgw/status.h>
#include <sgw/views.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sgw::core {

// Safe for concurrent use.
class HttpClient {
 public:
  struct Request {
    std::string method;
    std::string url;
    StringMap headers;
    std::string body;
    std::chrono::milliseconds timeout{};  // 0: none
    std::uint64_t max_response_bytes = 0;
    std::string ca_file;
    std::string certificate_file;
    std::string key_file;
    std::string proxy;
    const void* owner = nullptr;  // for CancelAll
  };
  struct Response {
    int status = 0;
    StringMap headers;  // names in lower case
    std::string body;
    Status failure;  // not OK: there is no response, or not all of it
  };
  // Both are called on the client's thread, which they do not hold up. While more than 1 MiB of a body has been given
  // to on_body and not taken off `untaken` again, no more of it is read.
  struct Events {
    std::function<void(std::string piece)> on_body;  // empty: the body is in the response
    std::function<void(Response)> on_end;            // once, unless the request is cancelled
    std::shared_ptr<std::atomic<std::size_t>> untaken = std::make_shared<std::atomic<std::size_t>>(0);
  };

  HttpClient();
  // Cancels all requests.
  ~HttpClient();

  void Send(std::uint64_t id, Request request, Events events);
  // Nothing is told of the request any more, but for what is being told just now. One of another owner goes on.
  void Cancel(std::uint64_t id, const void* owner);
  void CancelAll(const void* owner);
  // More of a stream's body can be read.
  void Resume(std::uint64_t id);

 private:
  class Loop;
  const std::unique_ptr<Loop> loop_;
};

}  // namespace sgw::core
