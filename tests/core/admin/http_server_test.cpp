#include "core/admin/http_server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/config/address.h"
#include "tests/core/admin/fake_backend.h"

using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

// A client that sends bytes and reads what comes until the server closes.
class Caller {
 public:
  explicit Caller(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    std::string ignored;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(ParseAddress(address, ignored)->port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~Caller() { close(fd_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void Send(const std::string& bytes) { (void)!send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Until the end, or until what was read holds `until`.
  std::string Read(const std::string& until = "") {
    char bytes[4096];
    while (until.empty() || read_.find(until) == std::string::npos) {
      const ssize_t got = recv(fd_, bytes, sizeof(bytes), 0);
      if (got <= 0) break;
      read_.append(bytes, static_cast<std::size_t>(got));
    }
    return std::exchange(read_, "");
  }
  // The server has closed, or closes before the time is over.
  bool IsClosedWithin(int ms) {
    pollfd ready{fd_, POLLIN, 0};
    char byte = 0;
    return poll(&ready, 1, ms) == 1 && recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  const int fd_;
  std::string read_;
};

struct HttpFixture {
  FakeBackend backend;
  std::unique_ptr<HttpServer> server = *HttpServer::Start("127.0.0.1:0", backend);

  std::string Ask(const std::string& request) {
    Caller caller(server->address());
    caller.Send(request);
    return caller.Read();
  }
  std::string Get(const std::string& path) {
    return Ask("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }
};

bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
bool Ends(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

TEST_CASE("probes and the metrics page are answered") {
  HttpFixture f;
  CHECK(Ends(f.Get("/healthz"), "\r\n\r\nok\n"));
  CHECK(Ends(f.Get("/readyz"), "\r\n\r\nready\n"));
  const std::string page = f.Get("/metrics");
  CHECK(page.rfind("HTTP/1.1 200 ", 0) == 0);
  CHECK(Contains(page, "Content-Type: text/plain; version=0.0.4\r\n"));
  CHECK(Ends(page, "\r\n\r\nup 1\n"));
  f.backend.page = "";
  CHECK(f.Get("/metrics").rfind("HTTP/1.1 404 ", 0) == 0);
}

TEST_CASE("a gateway that is not ready says so, and why when it is asked") {
  HttpFixture f;
  f.backend.not_ready = {"the gateway is draining", "the plugin 'warm' is starting"};
  CHECK(f.Get("/readyz").rfind("HTTP/1.1 503 ", 0) == 0);
  CHECK(Ends(f.Get("/readyz"), "\r\n\r\nnot ready\n"));
  CHECK(Ends(f.Get("/readyz?verbose"), "not ready\n- the gateway is draining\n- the plugin 'warm' is starting\n"));
  CHECK(Ends(f.Get("/healthz"), "\r\n\r\nok\n"));
}

TEST_CASE("HEAD has the head of GET, without its body") {
  HttpFixture f;
  const std::string answer = f.Ask("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(answer.rfind("HTTP/1.1 200 ", 0) == 0);
  CHECK(Contains(answer, "Content-Length: 3\r\n"));
  CHECK(Ends(answer, "\r\n\r\n"));
}

TEST_CASE("a client of HTTP/1.0 is answered and left, one of 1.1 may ask again") {
  HttpFixture f;
  CHECK(Ends(f.Ask("GET /healthz HTTP/1.0\r\n\r\n"), "\r\n\r\nok\n"));
  Caller caller(f.server->address());
  for (int i = 0; i < 3; ++i) {
    caller.Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(Contains(caller.Read("ok\n"), "200 OK"));
  }
  caller.Send("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(Ends(caller.Read(), "\r\n\r\nready\n"));
}

TEST_CASE("another path or method hears what there is") {
  HttpFixture f;
  for (const char* path : {"/", "/metricsx", "/healthz/", "/..%2f", "*", "/nothing?verbose"}) {
    const std::string answer = f.Get(path);
    CHECK_MESSAGE(answer.rfind("HTTP/1.1 404 ", 0) == 0, path);
    CHECK(Contains(answer, "There are /metrics, /healthz and /readyz?verbose here."));
  }
  const std::string answer = f.Ask("DELETE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(answer.rfind("HTTP/1.1 405 ", 0) == 0);
  CHECK(Contains(answer, "Allow: GET, HEAD\r\n"));
  CHECK(f.Ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
            .rfind("HTTP/1.1 405 ", 0) == 0);
}

TEST_CASE("what is no request, or too big a one, is refused and the connection ends") {
  HttpFixture f;
  CHECK(f.Ask("\x16\x03\x01 hello\r\n\r\n").rfind("HTTP/1.1 400 ", 0) == 0);
  CHECK(f.Ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").rfind("HTTP/1.1 400 ", 0) == 0);
  const std::string big(20'000, 'x');
  CHECK(f.Ask("GET /healthz HTTP/1.1\r\nHost: x\r\nBig: " + big + "\r\n\r\n").rfind("HTTP/1.1 431 ", 0) == 0);
  CHECK(f.Ask("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n").rfind("HTTP/1.1 413 ", 0) == 0);
  CHECK(Ends(f.Get("/healthz"), "ok\n"));
}

TEST_CASE("a page that takes its time keeps no probe waiting, and few may wait for it") {
  HttpFixture f;
  f.backend.HoldPages();
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 4; ++i) {
    callers.push_back(std::make_unique<Caller>(f.server->address()));
    callers.back()->Send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }
  f.backend.AwaitPage();
  CHECK(Ends(f.Get("/healthz"), "ok\n"));
  const std::string fifth = f.Get("/metrics");
  CHECK(fifth.rfind("HTTP/1.1 503 ", 0) == 0);
  f.backend.LetPages();
  for (const auto& caller : callers) CHECK(Ends(caller->Read(), "up 1\n"));
}

TEST_CASE("a request that drips in ends after ten seconds, whoever drips") {
  HttpFixture f;
  Caller silent(f.server->address());
  Caller dripping(f.server->address());
  dripping.Send("GET /healthz HTTP/1.1\r\n");
  const auto start = std::chrono::steady_clock::now();
  bool is_closed = false;
  while (!is_closed && std::chrono::steady_clock::now() - start < std::chrono::seconds(20)) {
    dripping.Send("x: y\r\n");
    is_closed = dripping.IsClosedWithin(500);
  }
  CHECK(is_closed);
  CHECK(silent.IsClosedWithin(5'000));
  CHECK(std::chrono::steady_clock::now() - start > std::chrono::seconds(8));
}

TEST_CASE("more connections than it has room for are closed, and room comes back") {
  HttpFixture f;
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 256; ++i) callers.push_back(std::make_unique<Caller>(f.server->address()));
  callers.back()->Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(Contains(callers.back()->Read("ok\n"), "200 OK"));
  CHECK(Caller(f.server->address()).IsClosedWithin(10'000));
  callers.clear();
  std::string answer;
  for (int i = 0; i < 1000 && answer.empty(); ++i) answer = f.Get("/healthz");
  CHECK(Ends(answer, "ok\n"));
}

TEST_CASE("an address that cannot be had is said with its reason") {
  FakeBackend backend;
  const auto first = *HttpServer::Start("127.0.0.1:0", backend);
  const auto second = HttpServer::Start(first->address(), backend);
  REQUIRE_FALSE(second);
  CHECK(second.status().message() == "admin.http: cannot listen on " + first->address() + ": Address already in use");
  CHECK(Contains(HttpServer::Start("no.such.host.invalid:1", backend).status().message(), "cannot listen on"));
  const auto six = HttpServer::Start("[::1]:0", backend);
  if (six) CHECK((*six)->address().rfind("[::1]:", 0) == 0);
}
