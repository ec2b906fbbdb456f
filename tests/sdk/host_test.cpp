#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace sgw;
using namespace sgw::testing;

TEST_CASE("a timer runs once at its time, and not at all when its handle has gone") {
  TestHost host;
  std::vector<std::string> ran;
  const MonotonicTime begin = host.host().Now();
  const Timer late = host.host().StartTimer(2s, [&] { ran.emplace_back("late"); });
  const Timer soon = host.host().StartTimer(1s, [&] {
    ran.emplace_back("soon");
    CHECK(host.host().Now() - begin == 1s);
  });
  {
    const Timer gone = host.host().StartTimer(1s, [&] { ran.emplace_back("gone"); });
  }

  host.Advance(1500ms);
  CHECK(ran == std::vector<std::string>{"soon"});
  host.Advance(10s);
  CHECK(ran == std::vector<std::string>{"soon", "late"});
  CHECK(host.live_callbacks() == 0);
}

TEST_CASE("a timer may start itself anew from its own function") {
  TestHost host;
  int ran = 0;
  Timer timer;
  std::function<void()> again = [&] {
    if (++ran < 3) timer = host.host().StartTimer(1s, again);
  };
  timer = host.host().StartTimer(1s, again);
  host.Advance(1min);
  CHECK(ran == 3);
}

TEST_CASE("what a callback throws is logged and counted") {
  TestHost host;
  const Timer timer = host.host().StartTimer(1s, [] { throw std::runtime_error("oh"); });
  host.Advance(1s);
  CHECK(host.Logged("the plugin threw in a timer: oh") == 1);
  CHECK(host.Metric("spark_gateway_plugin_exceptions_total", {{"where", "a timer"}}) == 1);
}

TEST_CASE("a child's output and end are told until its handle goes") {
  TestHost host;
  std::vector<std::string> lines;
  std::optional<ChildExit> exit;
  Child child = host.host().StartChild({.argv = {"sleep", "9"},
                                        .environment = {{"A", "b"}},
                                        .on_line = [&](std::string_view line) { lines.emplace_back(line); },
                                        .on_exit = [&](const ChildExit& how) { exit = how; }});
  const auto fake = host.children().at(0);
  CHECK(fake->argv == std::vector<std::string>{"sleep", "9"});
  CHECK(child.pid() == fake->pid);
  fake->Line("ready");
  child.End();
  CHECK(fake->was_told_to_end());
  CHECK_FALSE(exit);
  host.RunPending();
  REQUIRE(exit);
  CHECK(exit->signal == 15);
  CHECK(lines == std::vector<std::string>{"ready"});

  int told = 0;
  child = host.host().StartChild({.argv = {"x"}, .on_exit = [&](const ChildExit&) { ++told; }});
  child.Reset();
  host.RunPending();
  CHECK(host.children().at(1)->was_told_to_end());
  CHECK(told == 0);
  CHECK(host.live_callbacks() == 0);
}

TEST_CASE("a child may drop its own handle from within its end") {
  TestHost host;
  host.FailChildren("no such file");
  std::string error;
  Child child = host.host().StartChild({.argv = {"x"}, .on_exit = [&](const ChildExit& how) {
                                          error = how.error;
                                          child.Reset();
                                        }});
  host.RunPending();
  CHECK(error == "no such file");
  CHECK_FALSE(child);
}

TEST_CASE("probes, watches and blocking work come back on the control thread") {
  TestHost host;
  std::vector<StatusCode> found;
  const auto probe = [&] {
    host.host().Probe({.address = "127.0.0.1:1"}, 1s, [&](const Status& status) { found.push_back(status.code()); });
  };
  probe();
  CHECK(found.empty());
  host.RunPending();
  host.OnProbe([](const Endpoint&) { return std::nullopt; });
  probe();
  host.RunPending();
  host.FinishProbes(Unavailable("refused"));
  CHECK(found == std::vector{StatusCode::kOk, StatusCode::kUnavailable});

  int changes = 0;
  FileWatch watch = host.host().WatchFile("/etc/x", [&] { ++changes; });
  CHECK(host.ChangeFile("/etc/x") == 1);
  CHECK(host.ChangeFile("/etc/y") == 0);
  watch.Reset();
  host.ChangeFile("/etc/x");
  CHECK(changes == 1);

  std::atomic<int> blocked{0};
  CHECK(host.host().RunBlocking([&] { ++blocked; }).ok());
  CHECK(blocked == 0);
  host.RunPending();
  host.set_blocking(Blocking::kThread);
  CHECK(host.host().RunBlocking([&] { ++blocked; }).ok());
  host.EndThreads();
  host.set_blocking(Blocking::kFull);
  CHECK(host.host().RunBlocking([&] { ++blocked; }).code() == StatusCode::kResourceExhausted);
  CHECK(blocked == 2);
}

TEST_CASE("snapshots are counted and metrics of one name have one type") {
  TestHost host;
  {
    const EndpointSnapshot one = host.host().MakeSnapshot({{.address = "a:1"}, {.address = "b:1"}});
    const EndpointSnapshot copy = one;
    CHECK(one);
    CHECK(host.live_snapshots() == 1);
  }
  CHECK(host.live_snapshots() == 0);

  host.host().MakeCounter("n", "N.", {{"a", "b"}}).Add();
  host.host().MakeCounter("n", "N.", {{"a", "b"}}).Add(2);
  host.host().MakeGauge("n", "N.").Set(9);
  CHECK(host.Metric("n", {{"a", "b"}}) == 3);
  CHECK(host.MetricSum("n") == 3);
}

TEST_CASE("an HTTP request is answered as the test says, and remembered") {
  TestHost host;
  host.OnHttp([](const HttpRequest& request) -> std::optional<Result<HttpResponse>> {
    if (request.url == "http://nowhere") return Unavailable("no such host");
    return HttpResponse{.status = 200, .headers = {{"etag", "7"}}, .body = request.method + " " + request.body};
  });
  std::vector<std::string> heard;
  const auto hear = [&](const Result<HttpResponse>& reply) {
    heard.push_back(reply ? reply->body + " " + std::string(*reply->header("etag")) : reply.status().message());
  };

  host.host().http().Send({.method = "POST", .url = "http://x", .body = "a"}, hear);
  host.host().http().Send({.url = "http://nowhere"}, hear);
  CHECK(heard.empty());  // never in line
  host.RunPending();

  CHECK(heard == std::vector<std::string>{"POST a 7", "no such host"});
  CHECK(host.http_requests().at(0).method == "POST");
  CHECK(host.live_callbacks() == 0);
}

TEST_CASE("a stream hears the pieces of its body, and nothing once it was let go") {
  TestHost host;
  host.OnHttp([](const HttpRequest&) { return std::nullopt; });
  std::string body;
  int ends = 0;
  const auto open = [&] {
    return host.host().http().Stream(
        {.url = "http://x", .timeout = 0s}, [&](std::string_view piece) { body += piece; },
        [&](const Result<HttpResponse>& reply) { ends += reply ? 1 : 100; });
  };

  HttpStream kept = open();
  HttpStream gone = open();
  gone.Reset();
  CHECK(host.SendHttpBody("one ") == 1);
  CHECK(host.SendHttpBody("two ") == 1);
  host.FinishHttp(HttpResponse{.status = 200, .body = "three"});

  CHECK(body == "one two three");
  CHECK(ends == 1);
  CHECK(host.live_callbacks() == 0);
}

TEST_CASE("a changed secret is told to whoever watches its setting") {
  TestHost host;
  std::string now;
  const SecretWatch watch = host.host().WatchSecret("/password", [&](const Secret& secret) { now = secret.Reveal(); });

  CHECK(host.ChangeSecret("/other", "x") == 0);
  CHECK(host.ChangeSecret("/password", "swordfish") == 1);

  CHECK(now == "swordfish");
}

TEST_CASE("the bearer token is found in either header, whatever the case of its scheme") {
  const auto bearer = [](const FakeCall& fake) {
    return fake.Use([](const sgw_call& raw) {
      const auto found = Call(raw).bearer();
      return found ? std::string(*found) : std::string("none");
    });
  };
  CHECK(bearer(AnyCall().Header("authorization", "Bearer abc")) == "abc");
  CHECK(bearer(AnyCall().Header("authentication", "bEARER  abc ")) == "abc");
  CHECK(bearer(AnyCall().Header("authorization", "Basic x").Header("authentication", "Bearer y")) == "y");
  CHECK(bearer(AnyCall().Header("authorization", "Bearer ")) == "none");
  CHECK(bearer(AnyCall().Header("authorization", "Bearerabc")) == "none");
  CHECK(bearer(AnyCall()) == "none");
}
