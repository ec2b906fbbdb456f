// The questions that the conformance suite asks each kind.
#pragma once

#include <doctest/doctest.h>
#include <sgw/testing/plugin_under_test.h>

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sgw::testing::detail {

// Stands in every credential of the suite, and must be seen nowhere.
inline constexpr std::string_view kCanary = "s3cr3t-canary-9f27";

// What a refusal says; empty for every other answer.
inline std::string Said(const Status& status) { return status.message(); }
template <typename... V>
std::string Said(const Answer<V...>& answer) {
  return answer.status().message();
}
template <typename V>
std::string Said(const Result<V>& result) {
  return result.status().message();
}

// The questions of one run, of whatever type.
class Questions {
 public:
  // Everything that the plugin's kind may be asked, in strange forms.
  void AskAll(PluginUnderTest& plugin, const Json& tag) {
    for (const FakeCall& call : StrangeCalls()) Ask(plugin, call);
    if (plugin.table().pool) AskPool(plugin, tag);
    if (plugin.table().audit) AskAudit(plugin, tag);
    if (plugin.table().session_store) AskStore(plugin);
    if (plugin.table().metrics) AskMetrics(plugin);
  }

  void AskFromManyThreads(PluginUnderTest& plugin) {
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (const FakeCall& call : StrangeCalls()) Ask(plugin, call);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // Cancelling is harmless before the answer, after it, twice, and for what was never asked.
  void CancelSome(PluginUnderTest& plugin) {
    if (plugin.table().cancel) plugin.table().cancel(plugin.instance(), 0xFFFF'FFFF'0000'0001);
    for (std::size_t i = 0; i < asked_.size(); i += 2) {
      asked_[i].cancel();
      asked_[i].cancel();
    }
  }

  void CheckAnswers() const {
    for (const One& one : asked_) {
      CHECK_MESSAGE(one.is_answered(), "a question has no answer after the stop");
      if (!one.is_answered()) continue;
      CHECK_MESSAGE(one.said().find(kCanary) == std::string::npos, "a refusal shows the caller's secret");
    }
  }

 private:
  struct One {
    std::function<bool()> is_answered;
    std::function<std::string()> said;
    std::function<void()> cancel;
  };

  template <typename A>
  void Keep(const Asked<A>& asked) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(
        {[asked] { return asked.is_answered(); }, [asked] { return Said(asked.now()); }, [asked] { asked.Cancel(); }});
  }

  static std::vector<FakeCall> StrangeCalls() {
    const std::string canary(kCanary);
    const std::string binary("\x00\xff\x1b[31m\r\n\"\\", 10);
    return {AnyCall(),
            AnyCall().Bearer(canary),
            AnyCall().Header("authorization", canary),
            AnyCall().Header("authentication", "bEaReR   " + canary + "  "),
            AnyCall().Header("authorization", "Bearer ").Header("authorization", ""),
            AnyCall().Header("authorization", "Basic " + canary).Bearer(std::string(1 << 16, 'x') + canary),
            AnyCall().Header(binary, binary).Method("").Authority("").Peer("").Id(""),
            AnyCall().Certificate("", {""}, {binary}).Method(binary).Authority(binary).Peer("unix:"),
            CallFrom("alice"),
            CallFrom("alice").Groups({"ads", ""}).Header("x-spark-team", "ads").RoutedTo("no-such-namespace"),
            CallFrom(binary).Header("x-spark-team", binary).Header("x-spark-environment", "../..").RoutedTo(binary),
            CallFrom(std::string(4096, 'a'))
                .RoutedTo({.namespace_ = std::string(4096, 'n'), .attributes = {{"size", binary}, {"size", ""}}})};
  }

  void Ask(PluginUnderTest& plugin, const FakeCall& call) {
    FakeCall named = call;
    if (!named.identity()) named.As({.subject = "nobody"});
    if (plugin.table().auth) Keep(plugin.Authenticate(call));
    if (plugin.table().router) Keep(plugin.Decide(named));
    if (plugin.table().discovery) {
      Keep(plugin.Resolve(call));
      Keep(plugin.Resolve(named));
    }
    if (plugin.table().pool) Keep(plugin.Acquire(named, "key of " + call.route().namespace_));
    if (plugin.table().audit) {
      plugin.Write({.event = RecordEvent::kCallEnded, .subject = named.identity()->subject});
    }
    if (plugin.table().metrics) static_cast<void>(plugin.Describe());
    if (plugin.table().session_store) {
      Keep(plugin.BindIfAbsent("shared", named.identity()->subject, 1min));
      Keep(plugin.LookUp("shared"));
    }
  }

  // Leases that nobody gave: gone, and nothing breaks.
  void AskPool(PluginUnderTest& plugin, const Json& tag) {
    for (const std::string& id : {std::string("no-such-lease"), std::string(), std::string(256, 'l')}) {
      Keep(plugin.Redeem(id));
      plugin.Release(id, LeaseOutcome::kEnded);
      plugin.Release(id, LeaseOutcome::kLost);
      plugin.Release(id, LeaseOutcome::kUnclaimed);
    }
    const std::vector<std::string> can = tag.Strings("/capabilities");
    const FakeCall call = CallFrom("alice").RoutedTo("conformance");
    if (std::find(can.begin(), can.end(), "create") != can.end()) Keep(plugin.Acquire(call, "created", true));
  }

  void AskAudit(PluginUnderTest& plugin, const Json& tag) {
    const std::string binary("\x00\xff\x1b[31m\r\n\"\\", 10);
    for (std::uint32_t event = 0; event <= 9; ++event) {
      plugin.Write({.event = static_cast<RecordEvent>(event)});
      plugin.Write({.event = static_cast<RecordEvent>(event), .subject = binary, .reason = binary, .message = binary},
                   {binary}, {{binary, binary}}, {{"", ""}});
    }
    const std::vector<std::string> can = tag.Strings("/capabilities");
    if (std::find(can.begin(), can.end(), "admit") == can.end()) return;
    Keep(plugin.Admit({.event = RecordEvent::kOperationStarted, .subject = "alice"}));
  }

  void AskStore(PluginUnderTest& plugin) {
    const std::string key(256, 'k');
    const std::string binding(16384, 'b');
    CHECK(*plugin.LookUp(key).Wait() == std::nullopt);
    CHECK(*plugin.BindIfAbsent(key, binding, 1min).Wait() == binding);
    CHECK(*plugin.BindIfAbsent(key, "theirs", 1min).Wait() == binding);
    CHECK(*plugin.Touch(key, 1min).Wait() == binding);
    CHECK(*plugin.LookUp(key).Wait() == binding);
    CHECK(*plugin.Remove(key).Wait() == binding);
    CHECK(*plugin.Remove(key).Wait() == std::nullopt);
    CHECK(*plugin.Touch(key, 1min).Wait() == std::nullopt);
  }

  static void AskMetrics(PluginUnderTest& plugin) {
    CHECK(!plugin.Render().content_type.empty());
    using sgw::detail::View;
    const sgw_view name = View("step");
    const sgw_view value = View("a\"b\\c\nd");
    const double bounds[] = {0.1, 1};
    const std::uint64_t buckets[] = {1, 2};
    const sgw_metric_series counter = {
        .label_values = {&value, 1}, .value = 3, .count = 0, .sum = 0, .buckets = nullptr};
    const sgw_metric_series histogram = {
        .label_values = {nullptr, 0}, .value = 0, .count = 3, .sum = 5.5, .buckets = buckets};
    const MetricsPage page = plugin.Render({{.name = View("spark_gateway_calls_total"),
                                             .help = View("Calls."),
                                             .type = SGW_METRIC_COUNTER,
                                             .bound_count = 0,
                                             .bounds = nullptr,
                                             .label_names = {&name, 1},
                                             .series = &counter,
                                             .series_count = 1},
                                            {.name = View("spark_gateway_call_duration_seconds"),
                                             .help = View("How long."),
                                             .type = SGW_METRIC_HISTOGRAM,
                                             .bound_count = 2,
                                             .bounds = bounds,
                                             .label_names = {nullptr, 0},
                                             .series = &histogram,
                                             .series_count = 1}});
    CHECK(page.body.find("spark_gateway_calls_total") != std::string::npos);
    CHECK(page.body.find("spark_gateway_call_duration_seconds") != std::string::npos);
  }

  std::mutex mutex_;  // Guards asked_.
  std::vector<One> asked_;
};

}  // namespace sgw::testing::detail
