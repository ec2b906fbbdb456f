#include "core/admin/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>
#include <thread>

namespace sgw::core {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Response = http::response<http::string_body>;

constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kMaxRequest = 16 * 1024;

Response Answer(http::status code, const std::string& body, const std::string& type = "text/plain; charset=utf-8") {
  Response response(code, 11);
  response.set(http::field::content_type, type);
  response.body() = body;
  return response;
}

Response Handle(const std::string& target, AdminBackend& backend) {
  const std::string path = target.substr(0, target.find('?'));
  if (path == "/healthz") return Answer(http::status::ok, "ok\n");
  if (path == "/readyz") {
    const GatewayStatus status = backend.GetStatus();
    std::string body = status.not_ready.empty() ? "ready\n" : "not ready\n";
    if (target.find("?verbose") != std::string::npos) {
      for (const auto& why : status.not_ready) body += "- " + why + "\n";
    }
    return Answer(status.not_ready.empty() ? http::status::ok : http::status::service_unavailable, body);
  }
  if (path == "/metrics") {
    const auto page = backend.Metrics();
    if (!page) return Answer(http::status::not_found, page.status().message() + "\n");
    return Answer(http::status::ok, page->body, page->content_type);
  }
  return Answer(http::status::not_found, "There are /metrics, /healthz and /readyz?verbose here.\n");
}

class Visit : public std::enable_shared_from_this<Visit> {
 public:
  Visit(tcp::socket socket, AdminBackend& backend) : stream_(std::move(socket)), backend_(backend) {}

  void Read() {
    parser_.emplace();
    parser_->header_limit(kMaxRequest);
    parser_->body_limit(kMaxRequest);
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->Write();
    });
  }

 private:
  void Write() {
    const auto& request = parser_->get();
    const bool is_get = request.method() == http::verb::get || request.method() == http::verb::head;
    response_ = is_get ? Handle(std::string(request.target()), backend_)
                       : Answer(http::status::method_not_allowed, "GET only\n");
    response_.keep_alive(request.keep_alive());
    response_.prepare_payload();
    if (request.method() == http::verb::head) response_.body().clear();
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) self->Read();
    });
  }

  beast::tcp_stream stream_;
  AdminBackend& backend_;
  beast::flat_buffer buffer_{2 * kMaxRequest};
  std::optional<http::request_parser<http::string_body>> parser_;
  Response response_;
};

}  // namespace

struct HttpServer::Impl {
  explicit Impl(AdminBackend& admin) : backend(admin) {}
  void Accept() {
    acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (!error) std::make_shared<Visit>(std::move(socket), backend)->Read();
      if (error != asio::error::operation_aborted) Accept();
    });
  }

  AdminBackend& backend;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  std::string address;
  std::thread thread;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->io.stop();
  impl_->thread.join();
}

const std::string& HttpServer::address() const { return impl_->address; }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, AdminBackend& backend) {
  auto impl = std::make_unique<Impl>(backend);
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.size() - 2);
  try {
    tcp::resolver resolver(impl->io);
    const auto found = resolver.resolve(host, address.substr(colon + 1), tcp::resolver::passive);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    impl->acceptor.open(endpoint.protocol());
    impl->acceptor.set_option(asio::socket_base::reuse_address(true));
    impl->acceptor.bind(endpoint);
    impl->acceptor.listen();
    impl->address = host + ":" + std::to_string(impl->acceptor.local_endpoint().port());
  } catch (const std::exception& error) {
    return FailedPrecondition("admin.http: cannot listen on " + address + ": " + error.what());
  }
  impl->Accept();
  impl->thread = std::thread([raw = impl.get()] { raw->io.run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace sgw::core
