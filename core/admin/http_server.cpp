#include "core/admin/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <sstream>
#include <thread>

#include "core/config/address.h"

namespace sgw::core {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Response = http::response<http::string_body>;

constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kMaxRequest = 16 * 1024;
constexpr auto kLinger = std::chrono::seconds(2);
constexpr std::size_t kMaxDiscarded = 1024 * 1024;
constexpr int kMaxVisits = 256;
constexpr int kMaxPages = 4;

Response Answer(http::status code, const std::string& body, const std::string& type = "text/plain; charset=utf-8") {
  Response response(code, 11);
  response.set(http::field::content_type, type);
  response.set(http::field::cache_control, "no-store");
  response.body() = body;
  return response;
}

Response Readiness(AdminBackend& backend, bool is_verbose) {
  const std::vector<std::string> reasons = backend.NotReady();
  std::string body = reasons.empty() ? "ready\n" : "not ready\n";
  for (const auto& why : reasons) body += is_verbose ? "- " + why + "\n" : "";
  return Answer(reasons.empty() ? http::status::ok : http::status::service_unavailable, body);
}

Response Page(AdminBackend& backend) {
  const auto page = backend.Metrics();
  if (!page) {
    const bool is_none = page.status().code() == StatusCode::kNotFound;
    return Answer(is_none ? http::status::not_found : http::status::service_unavailable,
                  page.status().message() + "\n");
  }
  return Answer(http::status::ok, page->body, page->content_type);
}

// The answer to a request that could not be read; none: the connection just ends.
std::optional<Response> Refusal(beast::error_code error) {
  if (error == http::error::header_limit)
    return Answer(http::status::request_header_fields_too_large, "A request has at most 16 KiB here.\n");
  if (error == http::error::body_limit) return Answer(http::status::payload_too_large, "A request has no body here.\n");
  if (error.category() != http::make_error_code(http::error::bad_method).category() ||
      error == http::error::end_of_stream || error == http::error::partial_message) {
    return std::nullopt;
  }
  return Answer(http::status::bad_request, "This is no HTTP request.\n");
}

// What the connections share.
struct Shared {
  AdminBackend& backend;
  asio::thread_pool& metrics_thread;
  int visits = 0;
  int pages = 0;  // that are being made
};

class Visit : public std::enable_shared_from_this<Visit> {
 public:
  Visit(tcp::socket socket, Shared& shared) : stream_(std::move(socket)), shared_(shared) { ++shared_.visits; }
  ~Visit() { --shared_.visits; }

  void Read() {
    parser_.emplace();
    parser_->header_limit(kMaxRequest);
    parser_->body_limit(kMaxRequest);
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) return self->Handle();
      auto refusal = Refusal(error);
      if (refusal) self->Write(*std::move(refusal), false);
    });
  }

 private:
  void Handle() {
    const auto& request = parser_->get();
    const bool keep = request.keep_alive();
    const std::string target(request.target());
    const std::string path = target.substr(0, target.find('?'));
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      Response response = Answer(http::status::method_not_allowed, "Only GET and HEAD are answered here.\n");
      response.set(http::field::allow, "GET, HEAD");
      return Write(std::move(response), keep);
    }
    if (path == "/healthz") return Write(Answer(http::status::ok, "ok\n"), keep);
    if (path == "/readyz") return Write(Readiness(shared_.backend, target.find("?verbose") != std::string::npos), keep);
    if (path != "/metrics") {
      return Write(Answer(http::status::not_found, "There are /metrics, /healthz and /readyz?verbose here.\n"), keep);
    }
    if (shared_.pages >= kMaxPages) {
      return Write(Answer(http::status::service_unavailable, "Others are waiting for this page already.\n"), keep);
    }
    ++shared_.pages;
    stream_.expires_never();
    asio::post(shared_.metrics_thread, [self = shared_from_this(), keep]() mutable {
      auto response = std::make_shared<Response>(Page(self->shared_.backend));
      const auto executor = self->stream_.get_executor();
      asio::post(executor, [self = std::move(self), response, keep] {
        --self->shared_.pages;
        self->Write(std::move(*response), keep);
      });
    });
  }

  void Write(Response response, bool keep) {
    const bool is_head = parser_->get().method() == http::verb::head;
    response_ = std::move(response);
    response_.keep_alive(keep);
    response_.prepare_payload();
    if (is_head) response_.body().clear();
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return;
      if (self->response_.keep_alive()) return self->Read();
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, error);
      self->stream_.expires_after(kLinger);
      self->Discard(kMaxDiscarded);
    });
  }

  // What a refused client still sends: closing over it would take the answer from its hands.
  void Discard(std::size_t most) {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kMaxRequest),
                            [self = shared_from_this(), most](beast::error_code error, std::size_t size) {
                              if (!error && size < most) self->Discard(most - size);
                            });
  }

  beast::tcp_stream stream_;
  Shared& shared_;
  beast::flat_buffer buffer_{2 * kMaxRequest};
  std::optional<http::request_parser<http::string_body>> parser_;
  Response response_;
};

}  // namespace

struct HttpServer::Impl {
  explicit Impl(AdminBackend& backend) : shared{backend, metrics_thread} {}

  void Accept() {
    acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      // Out of descriptors: those that are open may end meanwhile.
      if (error) return Pause();
      if (shared.visits < kMaxVisits) std::make_shared<Visit>(std::move(socket), shared)->Read();
      Accept();
    });
  }

  void Pause() {
    pause.expires_after(std::chrono::milliseconds(100));
    pause.async_wait([this](beast::error_code error) {
      if (!error) Accept();
    });
  }

  asio::thread_pool metrics_thread{1};
  Shared shared;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  std::string address;
  std::thread thread;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->io.stop();
  impl_->thread.join();
  impl_->metrics_thread.join();
}

const std::string& HttpServer::address() const { return impl_->address; }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, AdminBackend& backend) {
  const auto failed = [&](const std::string& why) {
    return FailedPrecondition("admin.http: cannot listen on " + address + ": " + why);
  };
  std::string problem;
  const auto where = ParseAddress(address, problem);
  if (!where || where->is_unix()) return failed(problem);
  auto impl = std::make_unique<Impl>(backend);
  try {
    tcp::resolver resolver(impl->io);
    const auto found = resolver.resolve(where->host, std::to_string(where->port), tcp::resolver::passive);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    impl->acceptor.open(endpoint.protocol());
    impl->acceptor.set_option(asio::socket_base::reuse_address(true));
    impl->acceptor.bind(endpoint);
    impl->acceptor.listen();
    std::ostringstream bound;
    bound << impl->acceptor.local_endpoint();
    impl->address = bound.str();
  } catch (const boost::system::system_error& error) {
    return failed(error.code().message());
  }
  impl->Accept();
  impl->thread = std::thread([raw = impl.get()] { raw->io.run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace sgw::core
