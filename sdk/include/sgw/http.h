// HttpClient: HTTP(S) requests through the host, so that a plugin brings no client of its own.
//
// HTTP/1.1 and HTTP/2. Connections are kept and shared by all instances. Redirects are not followed: they are
// responses. Certificates are always checked against the name in the URL. The environment's proxy variables have no
// effect.
#pragma once

#include <sgw/detail/callback.h>
#include <sgw/handles.h>
#include <sgw/status.h>
#include <sgw/values.h>
#include <sgw/views.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sgw {

struct HttpRequest {
  std::string method = "GET";
  std::string url{};               // http:// or https://, without a user name or password
  StringMap headers{};             // at most 10,000; more are refused with INVALID_ARGUMENT
  std::string body{};              // at most 1 MiB; a longer one is refused with INVALID_ARGUMENT
  Duration timeout = 10s;          // for everything, from the name's resolution to the last byte; 0: none, for streams
  Bytes max_response = 1_MiB;      // a longer body ends the request with RESOURCE_EXHAUSTED
  std::string ca_file{};           // PEM file of the authorities to trust; empty: the system's
  std::string certificate_file{};  // PEM files of a client certificate; empty: none
  std::string key_file{};
  std::string proxy{};  // "http://proxy.example:3128"; empty: none
};

struct HttpResponse {
  int status = 0;
  StringMap headers{};  // names in lower case
  std::string body{};

  // The first value of a header, its name in lower case; none when it was not sent.
  std::optional<std::string_view> header(std::string_view name) const {
    const std::string* found = Find(headers, name);
    return found ? std::optional<std::string_view>(*found) : std::nullopt;
  }
};

// A response that is still arriving. The destructor ends the request and its callbacks.
class HttpStream {
 public:
  // For the glue.
  HttpStream() = default;
  HttpStream(std::shared_ptr<detail::Link> link, std::shared_ptr<detail::Mute> mute, sgw_id id)
      : mute_(std::move(mute)), id_(std::move(link), id) {}
  HttpStream(HttpStream&&) noexcept = default;
  HttpStream& operator=(HttpStream&& other) noexcept {
    if (this != &other) {
      Reset();
      mute_ = std::move(other.mute_);
      id_ = std::move(other.id_);
    }
    return *this;
  }
  ~HttpStream() { Reset(); }

  void Reset() {
    if (const auto mute = std::exchange(mute_, nullptr)) mute->Set();
    id_.Reset();
  }
  explicit operator bool() const { return static_cast<bool>(id_); }

 private:
  std::shared_ptr<detail::Mute> mute_;
  detail::IdHandle<&sgw_host_table::http_cancel> id_;
};

// Safe for concurrent use; lives as long as the Host. Callbacks run on the control thread, and none after the instance
// has stopped.
class HttpClient {
 public:
  explicit HttpClient(std::shared_ptr<detail::Link> link) : link_(std::move(link)) {}

  // Sends the request; `done` is called once. A response of any HTTP status is a response; a Status says why there is
  // none: INVALID_ARGUMENT (the URL, a file that cannot be read), UNAVAILABLE (no connection, no trust in the server's
  // certificate, cut short, too late), RESOURCE_EXHAUSTED (longer than max_response, or 1,024 requests are under way).
  // It is fit to be handed to a Spark client, and so never DEADLINE_EXCEEDED: on that one Spark clients try again
  // without a pause.
  void Send(HttpRequest request, std::function<void(Result<HttpResponse>)> done) {
    Begin(std::move(request), nullptr, std::move(done), std::make_shared<detail::Mute>());
  }

  // The same for a body that is read as it comes, a watch for example: pieces of any length, of a 2xx response only;
  // then `done`, whose response has no body. When pieces are read slowly the server is made to wait.
  [[nodiscard]] HttpStream Stream(HttpRequest request, std::function<void(std::string_view)> on_body,
                                  std::function<void(Result<HttpResponse>)> done) {
    auto mute = std::make_shared<detail::Mute>();
    const sgw_id id = Begin(std::move(request), std::move(on_body), std::move(done), mute);
    return {link_, std::move(mute), id};
  }

 private:
  using OnBody = std::function<void(std::string_view)>;
  using OnEnd = std::function<void(Result<HttpResponse>)>;

  static Result<HttpResponse> ResponseOf(const sgw_http_response& raw) {
    if (raw.failure && raw.failure->code != 0) return detail::FromRaw(raw.failure);
    return HttpResponse{
        .status = raw.status, .headers = detail::Copy(raw.headers), .body = std::string(detail::Text(raw.body))};
  }

  sgw_id Begin(HttpRequest request, OnBody on_body, OnEnd on_end, const std::shared_ptr<detail::Mute>& mute) {
    const detail::RawPairs headers(request.headers);
    const sgw_http_request raw = {
        .size = sizeof(sgw_http_request),
        .reserved = 0,
        .method = detail::View(request.method),
        .url = detail::View(request.url),
        .headers = headers.get(),
        .body = detail::View(request.body),
        .timeout_ms = request.timeout.count(),
        .max_response_bytes = static_cast<std::uint64_t>(request.max_response.value),
        .ca_file = detail::View(request.ca_file),
        .certificate_file = detail::View(request.certificate_file),
        .key_file = detail::View(request.key_file),
        .proxy = detail::View(request.proxy),
        .on_body = on_body ? detail::MakeMutable<sgw_view, OnBody>(
                                 link_, mute, "a response's body", std::move(on_body),
                                 [](const OnBody& tell, const sgw_view& piece) { tell(detail::Text(piece)); })
                           : sgw_callback{},
        .on_end = detail::MakeMutable<sgw_http_response, OnEnd>(
            link_, mute, "a response's end", std::move(on_end),
            [](const OnEnd& tell, const sgw_http_response& response) { tell(ResponseOf(response)); })};
    return link_->table()->http_send(link_->host(), &raw);
  }

  std::shared_ptr<detail::Link> link_;
};

}  // namespace sgw
