// HttpClient: HTTP(S) requests through the host, so that a plugin brings no client of its own.
//
// The hosts of SDK 0.1 have no HTTP client yet: Send() answers UNIMPLEMENTED. A plugin that is written against it works
// unchanged when the host learns it.
#pragma once

#include <sgw/status.h>
#include <sgw/views.h>

#include <functional>
#include <string>
#include <utility>

namespace sgw {

struct HttpRequest {
  std::string method = "GET";
  std::string url{};  // http:// or https://
  StringMap headers{};
  std::string body{};
  Duration timeout = 10s;  // for everything, from the name's resolution to the last byte
};

struct HttpResponse {
  int status = 0;
  StringMap headers{};
  std::string body{};
};

// Safe for concurrent use.
class HttpClient {
 public:
  virtual ~HttpClient() = default;

  // Sends the request. `done` is called once, on the control thread, or on this one when the request cannot be sent;
  // the Status says why there is no response. A response of any HTTP status is a response.
  virtual void Send(HttpRequest request, std::function<void(Result<HttpResponse>)> done) = 0;
};

namespace detail {

class NoHttpClient final : public HttpClient {
 public:
  void Send(HttpRequest request, std::function<void(Result<HttpResponse>)> done) override {
    done(Unimplemented("cannot ask " + request.url + ": this gateway has no HTTP client for plugins"));
  }
};

}  // namespace detail
}  // namespace sgw
