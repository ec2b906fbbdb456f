#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <functional>
#include <latch>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace sgw;
using namespace sgw::testing;

namespace {

// Does what the test says.
std::function<AuthAnswer(const AuthCall&)> on_ask;
std::function<void(const Completion<Status>&)> on_stop;

class Puppet : public Authenticator {
 public:
  explicit Puppet(Host&) {}
  AuthAnswer Authenticate(const AuthCall& call) override { return on_ask(call); }
  void Stop(Completion<Status> done) override { on_stop ? on_stop(done) : done(Status()); }
  std::string Describe() const override { throw std::runtime_error("no state"); }
};

// Keeps one promise for the test.
struct Kept {
  std::optional<Completion<AuthAnswer>> done;
  AuthAnswer Ask(const AuthCall& call) {
    auto [pending, later] = call.Defer<AuthAnswer>();
    done = later;
    return pending;
  }
};

struct Fixture {
  Fixture() { on_stop = nullptr; }
  Asked<AuthAnswer> Ask(std::function<AuthAnswer(const AuthCall&)> answer) {
    on_ask = std::move(answer);
    return plugin.Authenticate(AnyCall());
  }
  double Misuse(const std::string& reason) const {
    return host.Metric("spark_gateway_plugin_answer_misuse_total", {{"reason", reason}});
  }
  TestHost host;
  PluginUnderTest plugin{host, Linked<Puppet>()};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "each kind of answer reaches the host") {
  CHECK(Ask([](const AuthCall&) { return Next{}; }).now().is_next());
  CHECK(Ask([](const AuthCall&) { return Unauthenticated("no"); }).now().status().message() == "no");
  CHECK(Ask([](const AuthCall&) { return AsClaimed{"anna"}; }).now().get<AsClaimed>()->default_subject == "anna");
  const Identity alice{.subject = "alice", .groups = {"ads"}, .claims = {{"a", "b"}}, .headers = {.remove = {"x"}}};
  const AuthAnswer said = Ask([&](const AuthCall&) { return alice; }).now();
  CHECK(*said.get<Identity>() == alice);
}

TEST_CASE_FIXTURE(Fixture, "answers that make no sense refuse the call") {
  CHECK(Ask([](const AuthCall&) { return Identity{}; }).now().status().code() == StatusCode::kInternal);
  CHECK(Ask([](const AuthCall&) { return Status(); }).now().status().code() == StatusCode::kInternal);
  CHECK(Ask([](const AuthCall&) { return Pending{}; }).now().status().code() == StatusCode::kInternal);
  CHECK(Ask([](const AuthCall& call) {
          static_cast<void>(call.Defer<AuthAnswer>());
          return Pending{};
        })
            .now()
            .status()
            .code() == StatusCode::kInternal);
}

TEST_CASE_FIXTURE(Fixture, "a promise that is dropped is counted, unless nobody wanted the answer or it came") {
  const auto drop = [](const AuthCall& call) -> AuthAnswer {
    auto [pending, later] = call.Defer<AuthAnswer>();
    return pending;
  };
  CHECK(Ask(drop).now().status().code() == StatusCode::kInternal);
  CHECK(Misuse("never") == 1);

  Kept kept;
  const auto ask = [&](const AuthCall& call) { return kept.Ask(call); };
  Ask(ask).Cancel();
  kept.done.reset();
  const auto answered = Ask(ask);
  (*kept.done)(Next{});
  kept.done.reset();
  const auto stopped = Ask(ask);
  CHECK(plugin.Stop().Wait().ok());
  kept.done.reset();
  CHECK(stopped.now().status().code() == StatusCode::kUnavailable);
  CHECK(Misuse("never") == 1);
  CHECK(Misuse("twice") == 0);

  on_stop = [](const Completion<Status>&) {};
  CHECK(plugin.Stop().Wait().code() == StatusCode::kInternal);
  CHECK(Misuse("never") == 2);
}

TEST_CASE_FIXTURE(Fixture, "an exception refuses the call, and is logged and counted") {
  CHECK(Ask([](const AuthCall&) -> AuthAnswer { throw std::runtime_error("oh"); }).now().status().code() ==
        StatusCode::kInternal);
  CHECK(Ask([](const AuthCall& call) -> AuthAnswer {
          static_cast<void>(call.Defer<AuthAnswer>());
          throw 7;
        })
            .now()
            .status()
            .code() == StatusCode::kInternal);
  CHECK(host.Logged("the plugin threw in Authenticate: oh") == 1);
  CHECK(host.MetricSum("spark_gateway_plugin_exceptions_total") == 2);
  CHECK(Json::Parse(plugin.Describe()));
}

TEST_CASE_FIXTURE(Fixture, "a promised answer comes later, once, from any thread") {
  Kept kept;
  const auto asked = Ask([&](const AuthCall& call) { return kept.Ask(call); });
  CHECK_FALSE(asked.is_answered());
  std::thread([done = *kept.done] { done(Identity{.subject = "alice"}); }).join();
  (*kept.done)(Unavailable("too late"));
  CHECK(asked.now().get<Identity>()->subject == "alice");
  CHECK(host.stray_answers() == 0);  // the second never reached the host
  CHECK(Misuse("twice") == 1);
}

TEST_CASE_FIXTURE(Fixture, "an answer that is given while asked and one that is promised as well are one answer") {
  Kept kept;
  const auto asked = Ask([&](const AuthCall& call) {
    static_cast<void>(kept.Ask(call));
    return Next{};
  });
  CHECK(asked.now().is_next());
  (*kept.done)(Identity{.subject = "mallory"});
  CHECK(asked.now().is_next());
  CHECK(Misuse("twice") == 1);

  const auto inline_answer = Ask([&](const AuthCall& call) {
    const AuthAnswer pending = kept.Ask(call);
    (*kept.done)(Next{});
    return pending;
  });
  CHECK(inline_answer.now().is_next());
  CHECK(host.stray_answers() == 0);
  CHECK(Misuse("twice") == 1);
}

TEST_CASE_FIXTURE(Fixture, "cancelling tells the plugin, and its answer afterwards is harmless") {
  Kept kept;
  int told = 0;
  const auto asked = Ask([&](const AuthCall& call) {
    const AuthAnswer pending = kept.Ask(call);
    kept.done->OnCancel([&] { ++told; });
    return pending;
  });
  asked.Cancel();
  asked.Cancel();
  CHECK(told == 1);
  CHECK_FALSE(kept.done->is_wanted());
  (*kept.done)(Next{});
  asked.Cancel();
  CHECK(told == 1);
}

TEST_CASE_FIXTURE(Fixture, "what was never answered is answered when the plugin has stopped") {
  Kept kept;
  const auto asked = Ask([&](const AuthCall& call) { return kept.Ask(call); });
  plugin.Destroy();
  CHECK(asked.now().status().code() == StatusCode::kUnavailable);
  (*kept.done)(Identity{.subject = "alice"});  // The instance is gone.
  CHECK(host.stray_answers() == 0);
}

namespace {

// Leaves work behind, as plugins do.
class Careless : public Authenticator {
 public:
  explicit Careless(Host& host) : host_(host) {}
  void Start(Completion<Status> done) override {
    timer_ = host_.StartTimer(1s, [] { ++*ran; });
    static_cast<void>(host_.RunBlocking([] { ++*ran; }));
    host_.Probe({.address = "x:1"}, 1s, [](const Status&) { ++*ran; });
    done(Status());
  }
  AuthAnswer Authenticate(const AuthCall&) override { return Next{}; }
  static inline int* ran = nullptr;

 private:
  Host& host_;
  Timer timer_;
};

// Is stopped while blocking work runs.
class Slow : public Authenticator {
 public:
  explicit Slow(Host& host) : host_(host) {}
  void Start(Completion<Status> done) override {
    done(host_.RunBlocking([] {
      began->count_down();
      go_on->wait();
      *finished = true;
    }));
  }
  AuthAnswer Authenticate(const AuthCall&) override { return Next{}; }
  static inline std::latch* began = nullptr;
  static inline std::latch* go_on = nullptr;
  static inline bool* finished = nullptr;

 private:
  Host& host_;
};

}  // namespace

TEST_CASE("no callback begins once the stop was answered") {
  TestHost host;
  int ran = 0;
  Careless::ran = &ran;
  PluginUnderTest plugin(host, Linked<Careless>());
  CHECK(plugin.Start().now().ok());
  CHECK(plugin.Quiesce().now().ok());
  CHECK(plugin.Stop().now().ok());
  host.Advance(10s);
  CHECK(ran == 0);
}

TEST_CASE("the stop is answered when the callback that runs has ended") {
  TestHost host;
  std::latch began(1);
  std::latch go_on(1);
  bool finished = false;
  Slow::began = &began;
  Slow::go_on = &go_on;
  Slow::finished = &finished;
  host.set_blocking(Blocking::kThread);
  PluginUnderTest plugin(host, Linked<Slow>());
  CHECK(plugin.Start().Wait().ok());
  began.wait();
  CHECK(plugin.Quiesce().Wait().ok());
  const auto stopped = plugin.Stop();
  CHECK_FALSE(stopped.is_answered());
  go_on.count_down();
  CHECK(stopped.Wait().ok());
  CHECK(finished);
}

TEST_CASE("a constructor that throws refuses its settings with its words") {
  class Picky : public Authenticator {
   public:
    Picky() { throw std::invalid_argument("no certificate at tls.crt"); }
    AuthAnswer Authenticate(const AuthCall&) override { return Next{}; }
  };
  TestHost host;
  const PluginUnderTest plugin(host, Linked<Picky>());
  CHECK(plugin.created().code() == StatusCode::kInvalidArgument);
  CHECK(plugin.created().message() == "no certificate at tls.crt");
}

TEST_CASE("a host of another major version hears what to do") {
  TestHost host;
  sgw_host_table table = host.table();
  table.abi_major = 2;
  std::string said;
  const sgw_failure failure = {&said, [](void* context, const sgw_status* status) {
                                 *static_cast<std::string*>(context) = sgw::detail::Text(status->message);
                               }};
  CHECK(Linked<Puppet>().entry(&table, &failure) == nullptr);
  const std::string minor = "." + std::to_string(SGW_ABI_MINOR);
  CHECK(said == "built with SDK 0.1.0 for plugin ABI 1" + minor + ", this gateway speaks 2" + minor +
                    "; rebuild with the gateway's SDK, or use a gateway that speaks 1" + minor);
}
