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

TEST_CASE("HTTP is answered with a sentence as long as the host has no client") {
  TestHost host;
  Status status;
  host.host().http().Send({.url = "http://x"}, [&](const Result<HttpResponse>& reply) { status = reply.status(); });
  CHECK(status.code() == StatusCode::kUnimplemented);
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
