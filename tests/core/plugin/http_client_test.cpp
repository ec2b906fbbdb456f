// The client against real servers: http_server.py runs them, and then this program.
#include "core/plugin/http_client.h"

#include <doctest/doctest.h>
#include <sgw/testing/temp_dir.h>

#include <cstdlib>
#include <future>
#include <set>

using namespace sgw;
using namespace std::literals;
using core::HttpClient;
using Request = HttpClient::Request;
using Response = HttpClient::Response;

namespace {

std::string Given(const std::string& name) {
  const char* const value = std::getenv(("SGW_" + name).c_str());
  REQUIRE_MESSAGE(value, "http_server.py runs this program, and sets SGW_", name);
  return value;
}

Request Get(const std::string& url) {
  Request request;
  request.method = "GET";
  request.url = url;
  request.timeout = 30s;
  request.max_response_bytes = 1 << 20;
  return request;
}
Request Plain(const std::string& path) { return Get("http://127.0.0.1:" + Given("HTTP") + path); }
Request Trusting(const std::string& path, const std::string& server = "HTTPS") {
  Request request = Get("https://127.0.0.1:" + Given(server) + path);
  request.ca_file = Given("CA");
  return request;
}
Request As(const std::string& who, Request request) {
  request.certificate_file = Given(who);
  request.key_file = request.certificate_file.substr(0, request.certificate_file.size() - 3) + "key";
  return request;
}

std::string HeaderOf(const Response& response, std::string_view name) {
  const std::string* const value = Find(response.headers, name);
  return value ? *value : "none";
}
// The connection's port as the server sees it.
std::string PortOf(const Response& response) {
  REQUIRE(response.failure == Status());
  return HeaderOf(response, "x-peer-port");
}
bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void CheckFails(const Response& response, StatusCode code, const std::string& names) {
  const Status& failure = response.failure;
  CHECK(failure.code() == code);
  CHECK_MESSAGE(Has(failure.message(), names), failure.message());
  CHECK_MESSAGE(!Has(failure.message(), "s3cret"), failure.message());
}

// Where a request's end goes; the client drops it when it is done with the request.
struct End {
  ~End() {
    if (!is_told) promise.set_value({kDropped, {}, {}, {}});
  }
  static constexpr int kDropped = -1;
  bool is_told = false;
  std::promise<Response> promise;
};

// A client, and what its requests have come to.
struct Client {
  std::future<Response> Begin(Request request, std::function<void(std::string)> on_body = nullptr) {
    const auto end = std::make_shared<End>();
    auto future = end->promise.get_future();
    const auto tell = [end](Response response) {
      end->is_told = true;
      end->promise.set_value(std::move(response));
    };
    client.Send(++last, std::move(request), {std::move(on_body), tell, untaken});
    return future;
  }
  Response Ask(Request request) { return Begin(std::move(request)).get(); }
  StatusCode CodeOf(Request request) { return Ask(std::move(request)).failure.code(); }

  std::shared_ptr<std::atomic<std::size_t>> untaken = std::make_shared<std::atomic<std::size_t>>(0);  // by the last one
  std::uint64_t last = 0;
  HttpClient client;
};

}  // namespace

TEST_CASE("a server of the trusted authority is asked") {
  Client c;
  const Response response = c.Ask(Trusting("/sized/3"));
  CHECK(response.failure == Status());
  CHECK(response.status == 200);
  CHECK(response.body == "xxx");
  CHECK(HeaderOf(response, "content-length") == "3");
}

TEST_CASE("a connection is used again, by requests with the same authority and client certificate only") {
  Client c;
  const std::string port = PortOf(c.Ask(Trusting("/echo")));
  CHECK(PortOf(c.Ask(Trusting("/echo"))) == port);

  const std::string of_alice = PortOf(c.Ask(As("ALICE", Trusting("/echo"))));
  const std::string of_bob = PortOf(c.Ask(As("BOB", Trusting("/echo"))));
  CHECK(std::set{port, of_alice, of_bob}.size() == 3);
  CHECK(PortOf(c.Ask(As("ALICE", Trusting("/echo")))) == of_alice);
  CHECK(PortOf(c.Ask(Trusting("/echo"))) == port);

  Request other = Trusting("/echo");
  other.ca_file = Given("OTHER_CA");
  CHECK(c.CodeOf(other) == StatusCode::kUnavailable);
  other.ca_file.clear();
  CHECK(c.CodeOf(other) == StatusCode::kUnavailable);
}

TEST_CASE("a server is trusted with its authority, and under its own name only") {
  Client c;
  Request request = Trusting("/echo");
  request.ca_file.clear();
  CHECK(c.CodeOf(request) == StatusCode::kUnavailable);
  CHECK(c.CodeOf(Trusting("/echo", "MISNAMED")) == StatusCode::kUnavailable);
}

TEST_CASE("the server sees the client certificate of the request") {
  Client c;
  CHECK(HeaderOf(c.Ask(As("ALICE", Trusting("/echo", "STRICT"))), "x-client") == "alice");
  CHECK(HeaderOf(c.Ask(As("BOB", Trusting("/echo", "STRICT"))), "x-client") == "bob");
  CHECK(HeaderOf(c.Ask(Trusting("/echo")), "x-client") == "nobody");
  CHECK(c.CodeOf(Trusting("/echo", "STRICT")) == StatusCode::kUnavailable);
}

TEST_CASE("a redirect is a response, as an error is") {
  Client c;
  const Response moved = c.Ask(Plain("/status/302"));
  CHECK(moved.status == 302);
  CHECK(HeaderOf(moved, "location") == "/echo");
  const Response failed = c.Ask(Plain("/status/503"));
  CHECK(failed.status == 503);
  CHECK(failed.body == "as you wish");
}

TEST_CASE("a body may be as long as the request says, and no longer") {
  Client c;
  for (const std::string path : {"/sized/", "/chunked/"}) {
    CAPTURE(path);
    Request request = Plain(path + "1000");
    request.max_response_bytes = 1000;
    CHECK(c.Ask(request).body == std::string(1000, 'x'));
    request.url.back() = '1';
    const Response response = c.Ask(request);
    CHECK(response.failure.code() == StatusCode::kResourceExhausted);
    CHECK(response.body.empty());
  }
}

TEST_CASE("who answers too late is UNAVAILABLE, also to those who wait for a connection") {
  Client c;
  std::vector<std::future<Response>> ends;
  for (int i = 0; i < 40; ++i) {
    Request request = Plain("/held/late");
    request.timeout = 100ms;
    ends.push_back(c.Begin(request));
  }
  for (auto& end : ends) CHECK(end.get().failure.code() == StatusCode::kUnavailable);
}

TEST_CASE("a body that is cut short is UNAVAILABLE") {
  Client c;
  CHECK(c.CodeOf(Plain("/cut")) == StatusCode::kUnavailable);
  std::string pieces;
  CHECK(c.Begin(Plain("/cut"), [&](const std::string& piece) { pieces += piece; }).get().failure.code() ==
        StatusCode::kUnavailable);
  CHECK(pieces == std::string(50, 'x'));
}

TEST_CASE("a proxy is asked for what is http, and tunnels what is https") {
  ::setenv("no_proxy", "*", 1);  // does not count
  {
    Client c;
    Request request = Get("http://no-such-name.invalid/echo?a=b");
    request.proxy = "http://127.0.0.1:" + Given("HTTP");
    CHECK(c.Ask(request).body.rfind("GET http://no-such-name.invalid/echo?a=b HTTP/1.1\n", 0) == 0);

    request = Trusting("/echo");
    request.proxy = "http://127.0.0.1:" + Given("HTTP");
    const std::string port = PortOf(c.Ask(request));
    CHECK(c.Ask(Plain("/tunnelled/" + port)).status == 200);
    CHECK(PortOf(c.Ask(Trusting("/echo"))) != port);  // the tunnel is for those who ask for it

    request.url = "https://127.0.0.1:" + Given("CLOSED");
    CHECK(c.CodeOf(request) == StatusCode::kUnavailable);
  }
  ::unsetenv("no_proxy");
}

TEST_CASE("the environment's proxies have no effect") {
  for (const char* const name : {"no_proxy", "NO_PROXY"}) ::unsetenv(name);
  for (const char* const name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    CAPTURE(name);
    ::setenv(name, ("http://127.0.0.1:" + Given("CLOSED")).c_str(), 1);
    {
      Client c;
      CHECK(c.Ask(Plain("/echo")).status == 200);
      CHECK(c.Ask(Trusting("/echo")).status == 200);
    }
    ::unsetenv(name);
  }
}

TEST_CASE("the server of a stream waits while its pieces are not taken") {
  constexpr std::size_t kPieces = 256, kPiece = 65536, kMaxUntaken = 1 << 20;  // of http_server.py, and of the client
  for (const bool is_tls : {false, true}) {
    CAPTURE(is_tls);
    Client c;
    std::string body;
    const std::string name = is_tls ? "tls" : "plain";
    auto end = c.Begin(is_tls ? Trusting("/stream/tls") : Plain("/stream/plain"),
                       [&](const std::string& piece) { body += piece; });
    const std::uint64_t id = c.last;
    CHECK(std::stoul(c.Ask(Plain("/stalled/" + name)).body) < kPieces * kPiece);
    CHECK(*c.untaken > kMaxUntaken);
    CHECK(*c.untaken <= kMaxUntaken + kPiece);

    while (end.wait_for(1ms) == std::future_status::timeout) {
      *c.untaken = 0;
      c.client.Resume(id);
    }
    const Response response = end.get();
    CHECK(response.failure == Status());
    CHECK(response.status == 200);
    CHECK(response.body.empty());
    std::string sent;
    for (std::size_t i = 0; i < kPieces; ++i) sent.append(kPiece, static_cast<char>('a' + i % 26));
    CHECK(body.size() == sent.size());
    CHECK((body == sent));
  }
}

TEST_CASE("a stream's body that is no success comes whole, with the response") {
  Client c;
  int pieces = 0;
  const Response response = c.Begin(Plain("/status/503"), [&](const std::string&) { ++pieces; }).get();
  CHECK(response.body == "as you wish");
  CHECK(pieces == 0);
}

TEST_CASE("nothing is told of a request after its owner has cancelled it") {
  Client c;
  const int alice = 1, bob = 2;
  const auto begin = [&](const void* owner, const std::string& path, std::function<void(std::string)> on_body) {
    Request request = Plain(path);
    request.owner = owner;
    return c.Begin(std::move(request), std::move(on_body));
  };
  std::size_t streamed = 0;
  auto first = begin(&alice, "/held/cancel", nullptr);
  auto second = begin(&alice, "/held/cancel", nullptr);
  auto of_bob = begin(&bob, "/held/cancel", nullptr);
  auto stream = begin(&alice, "/stream/cancel", [&](const std::string& piece) { streamed += piece.size(); });
  REQUIRE(c.Ask(Plain("/holding/cancel/3")).status == 200);

  c.client.Cancel(1, &alice);
  c.client.Cancel(3, &alice);  // not hers
  CHECK(first.get().status == End::kDropped);
  CHECK(second.wait_for(0s) == std::future_status::timeout);

  c.client.CancelAll(&alice);
  CHECK(second.get().status == End::kDropped);
  CHECK(stream.get().status == End::kDropped);
  const std::size_t before = streamed;
  c.client.Resume(4);
  CHECK(c.Ask(Plain("/release/cancel")).status == 200);
  CHECK(of_bob.get().body == "at last");
  CHECK(streamed == before);
}

TEST_CASE("a request's method, body and headers arrive as they are, and its response's with names in lower case") {
  Client c;
  Request request = Plain("/echo?a=b");
  request.method = "POST";
  request.body = "one\0two"s;
  request.headers = {{"X-Many", "one"}, {"x-empty", ""}, {"X-Many", "two"}};
  const std::string seen = c.Ask(request).body;
  CHECK(seen.rfind("POST /echo?a=b HTTP/1.1\n", 0) == 0);
  CHECK(Has(seen, "\nX-Many: one\nx-empty: \nX-Many: two\n"));
  CHECK(Has(seen, "\nContent-Length: 7\n"));
  CHECK_FALSE(Has(seen, "Expect:"));
  CHECK(Has(seen, "\n\none\0two"s));

  request.method = "PUT";
  CHECK(Has(c.Ask(request).body, "PUT /echo?a=b HTTP/1.1\n"));
  request.method = "HEAD";
  request.body.clear();
  const Response head = c.Ask(request);
  CHECK(head.status == 200);
  CHECK(head.body.empty());
}

TEST_CASE("a URL that cannot be asked is INVALID_ARGUMENT, and the message holds no secret") {
  Client c;
  for (const char* const url : {"ftp://127.0.0.1:1/s3cret", "file:///s3cret", "127.0.0.1:1/s3cret", "http://a b/s3cret",
                                "http://user:s3cret@127.0.0.1:1/"}) {
    CAPTURE(url);
    CheckFails(c.Ask(Get(url)), StatusCode::kInvalidArgument,
               "the URL must be http:// or https://, without a user name");
  }
  for (const char* const proxy : {"http://user:s3cret@127.0.0.1:99999", "gopher://user:s3cret@127.0.0.1:1"}) {
    CAPTURE(proxy);
    Request through = Get("http://127.0.0.1:1/");
    through.proxy = proxy;
    CheckFails(c.Ask(through), StatusCode::kInvalidArgument, "the proxy's URL is malformed");
  }
  Request request = Get("http://127.0.0.1:1/");
  request.headers = {{"authorization", "s3cret\r\nx: y"}};
  CheckFails(c.Ask(request), StatusCode::kInvalidArgument, "authorization");
}

TEST_CASE("a file that is not what it should be is INVALID_ARGUMENT, and named") {
  Client c;
  const sgw::testing::TempDir folder;
  Request request = As("ALICE", Trusting("/s3cret?s3cret"));
  std::string file = folder.path() + "/no-such-file";
  SUBCASE("no authorities") { request.ca_file = file; }
  SUBCASE("authorities that are none") { request.ca_file = file = folder.Write("ca.crt", "none"); }
  SUBCASE("no client certificate") { request.certificate_file = file; }
  SUBCASE("no key") { request.key_file = file; }
  SUBCASE("a key of another certificate") {
    file = request.key_file;
    request.certificate_file = Given("BOB");
  }
  CheckFails(c.Ask(request), StatusCode::kInvalidArgument, file);
}

TEST_CASE("a server that is not there is UNAVAILABLE, and the message names it without what was asked of it") {
  Client c;
  for (const std::string& server : {"http://127.0.0.1:" + Given("CLOSED"), "https://no-such-name.invalid"s}) {
    Request request = Get(server + "/s3cret?s3cret");
    request.headers = {{"authorization", "s3cret"}};
    CheckFails(c.Ask(request), StatusCode::kUnavailable, server);
  }
}

TEST_CASE("no request waits for the answer of another while the server may have more connections") {
  Client c;
  for (const bool is_tls : {false, true}) {
    CAPTURE(is_tls);
    auto held = c.Begin(is_tls ? Trusting("/held/tls") : Plain("/held/plain"));
    CHECK(c.Ask(is_tls ? Trusting("/release/tls") : Plain("/release/plain")).status == 200);
    CHECK(held.get().body == "at last");
  }
}

TEST_CASE("requests beyond sixteen connections to a server wait for one, and all end") {
  Client c;
  std::vector<std::future<Response>> ends;
  for (int i = 0; i < 100; ++i) ends.push_back(c.Begin(Plain("/echo")));
  std::set<std::string> ports;
  for (auto& end : ends) ports.insert(PortOf(end.get()));
  CHECK(ports.size() <= 16);
}

TEST_CASE("beyond 1,024 requests under way one more is RESOURCE_EXHAUSTED") {
  Client c;
  std::vector<std::future<Response>> ends;
  for (int i = 0; i < 1024; ++i) ends.push_back(c.Begin(Plain("/held/many")));
  CHECK(c.CodeOf(Plain("/echo")) == StatusCode::kResourceExhausted);
}
