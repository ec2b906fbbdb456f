// TestHost: the gateway as a plugin sees it, in the hands of a test.
#pragma once

#include <sgw/answers.h>
#include <sgw/host.h>
#include <sgw/session_store.h>
#include <sgw/testing/asked.h>
#include <sgw/testing/callbacks.h>
#include <sgw/testing/captured_metrics.h>
#include <sgw/testing/fake_child.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sgw::testing {

// What a discovery said, with the snapshot read out.
using DiscoveryReply = Answer<std::vector<Endpoint>>;
// What a session store said.
using SessionReply = Result<SessionStore::Binding>;

struct LogLine {
  LogLevel level{};
  std::string text{};
};

// What becomes of RunBlocking().
enum class Blocking : std::uint8_t {
  kPosted,  // runs with the timers, in Advance()
  kThread,  // runs on a thread of its own
  kFull,    // is refused
};

// Lends what the C boundary says. Time stands still until Advance(); timers, probes, blocking work and the ends of
// children run within it, on the thread of the test, which is the control thread. Everything that a plugin did is
// remembered. Safe for concurrent use, except that one thread at a time is the control thread.
class TestHost {
 public:
  TestHost();
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;
  ~TestHost();

  // For tests that make the plugin's class themselves.
  Host& host() { return *host_; }

  // Moves both clocks, and runs what is due on the way at its time.
  void Advance(Duration time);
  // Runs what is due now.
  void RunPending() { Advance(Duration(0)); }
  void SetWallClock(WallTime time);

  std::vector<LogLine> logs() const;
  // How many log lines contain the text.
  std::size_t Logged(std::string_view text) const;

  // A counter's or gauge's value, or the number of a histogram's observations.
  double Metric(const std::string& name, const StringMap& labels = {}) const { return metrics_.Value(name, labels); }
  double MetricSum(const std::string& name) const { return metrics_.Sum(name); }

  // The file at this path has changed: tells whoever watches it. The number of those.
  std::size_t ChangeFile(std::string_view path);

  void set_blocking(Blocking blocking) { blocking_ = blocking; }
  void set_exposure(Exposure exposure);

  // What a probe finds; nothing: it stays open until FinishProbes(). By default every endpoint answers.
  void OnProbe(std::function<std::optional<Status>(const Endpoint&)> find);
  void FinishProbes(const Status& found);

  // All children ever started, the oldest first.
  std::vector<std::shared_ptr<FakeChild>> children() const;
  // Whether a child that is told to end does so at once (the default).
  void set_children_obey(bool obey) { children_obey_ = obey; }
  // The next children cannot be started, for this reason; empty: they can.
  void FailChildren(std::string reason);

  // What becomes of HTTP requests; nothing: they stay open until FinishHttp(). By default nobody answers. The body of a
  // response to a Stream() comes in one piece.
  void OnHttp(std::function<std::optional<Result<HttpResponse>>(const HttpRequest&)> answer);
  // A piece of the body for each open Stream(); their number.
  std::size_t SendHttpBody(std::string_view piece);
  void FinishHttp(const Result<HttpResponse>& response);
  // All requests ever sent, the oldest first.
  std::vector<HttpRequest> http_requests() const;

  // The secret behind this setting is another one now: tells whoever watches it. The number of those.
  std::size_t ChangeSecret(std::string_view setting, std::string_view text);
  // How often ForgetIdentities() was called.
  std::size_t forgotten_identities() const { return forgotten_identities_; }

  // What LeaseLost and EndpointGone said: (lease id, reason), (address incarnation, reason).
  StringMap lost_leases() const;
  StringMap gone_endpoints() const;

  // Answers that nobody waited for: doubled, late, made up.
  std::size_t stray_answers() const { return stray_answers_; }
  // Snapshots with a count that was not given back; timers, watches, probes and children that still live.
  std::size_t live_snapshots() const { return live_snapshots_; }
  std::size_t live_callbacks() const { return callbacks_.size(); }

  // For PluginUnderTest.
  const sgw_host_table& table() const { return table_; }
  sgw_host* handle() { return reinterpret_cast<sgw_host*>(this); }
  template <typename A>
  std::pair<sgw_ask, std::shared_ptr<detail::AskOf<A>>> NewAsk() {
    auto ask = std::make_shared<detail::AskOf<A>>();
    const std::lock_guard lock(mutex_);
    asks_[++last_ask_] = ask;
    return {last_ask_, ask};
  }
  void EndThreads();

 private:
  struct Snapshot {
    std::vector<Endpoint> endpoints;
    std::atomic<int> count{1};
  };
  struct Due {
    std::int64_t at_ns;
    sgw_id id;
    std::function<void()> run;
  };

  struct OpenHttp {
    sgw_id on_end;
    sgw_id on_body;  // 0: no stream
  };

  static TestHost& Of(sgw_host* host) { return *reinterpret_cast<TestHost*>(host); }
  template <typename A>
  void Answer(sgw_ask id, A answer);
  template <typename V, typename Raw, typename Read>
  static sgw::Answer<V> FromAnswer(const Raw* raw, Read read);
  void Post(std::int64_t at_ns, sgw_id id, std::function<void()> run);
  void PostRun(sgw_id id, const Status& status);
  void FillAnswers();
  void FillRest();
  void FillHttp();
  void FinishHttp(const OpenHttp& request, const Result<HttpResponse>& response);
  sgw_id StartChild(const sgw_child_spec& spec);

  sgw_host_table table_{};
  detail::Callbacks callbacks_;
  detail::CapturedMetrics metrics_;
  std::atomic<Blocking> blocking_{Blocking::kPosted};
  std::atomic<bool> children_obey_{true};
  std::atomic<std::uint32_t> exposure_{SGW_EXPOSURE_LOOPBACK};
  std::atomic<std::size_t> stray_answers_{0};
  std::atomic<std::size_t> live_snapshots_{0};
  std::atomic<std::size_t> forgotten_identities_{0};

  mutable std::mutex mutex_;  // Guards the members below.
  std::int64_t now_ns_ = 1'000'000'000;
  std::int64_t wall_ns_ = 1'700'000'000'000'000'000;
  std::vector<Due> due_;
  std::vector<LogLine> logs_;
  std::vector<std::pair<std::string, sgw_id>> watches_;
  std::vector<std::pair<std::string, sgw_id>> secrets_;
  std::vector<HttpRequest> http_requests_;
  std::vector<OpenHttp> open_http_;
  std::function<std::optional<Status>(const Endpoint&)> find_;
  std::function<std::optional<Result<HttpResponse>>(const HttpRequest&)> answer_http_;
  std::vector<sgw_id> open_probes_;
  std::vector<std::pair<sgw_id, std::shared_ptr<FakeChild>>> children_;
  std::string child_failure_;
  StringMap lost_leases_;
  StringMap gone_endpoints_;
  sgw_ask last_ask_ = 0;
  std::map<sgw_ask, std::shared_ptr<detail::Ask>> asks_;
  std::vector<std::thread> threads_;

  std::unique_ptr<Host> host_;
};

// Defined by the tests of a plugin that needs a service to start: prepares the host of the conformance suite, with
// OnHttp() for example.
__attribute__((weak)) void PrepareForConformance(TestHost& host);

}  // namespace sgw::testing

#include <sgw/testing/test_host_http.h>
#include <sgw/testing/test_host_impl.h>
