#include "core/pipeline/pipeline.h"

#include "core/pipeline/records.h"
#include "tests/core/pipeline/scripted_gateway.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

const std::string kSteps = "  - auth: [auth1, auth2]\n  - router: router1\n";
const std::string kServers =
    "  - auth: auth1\n  - hot-pool: pool1\n    hold: 40ms\n  - discovery: discovery1\n    hold: 40ms\n"
    "  - hot-pool: pool2\n    create: true\n    hold: 20ms\n    give_up: 80ms\n";

// One question to a pipeline, asked on worker 0, and what came of it.
template <typename Answer>
class Asked {
 public:
  Asked(ScriptedGateway& gateway, std::function<std::unique_ptr<Run>(std::function<void(Answer)>)> ask)
      : gateway_(gateway), state_(std::make_shared<State>()) {
    gateway_.On(0, [&] {
      state_->run = ask([state = std::weak_ptr(state_)](Answer answer) {
        if (const auto self = state.lock()) {
          CHECK(Worker::Current() != nullptr);
          ++self->answers;
          self->answer = std::make_unique<Answer>(std::move(answer));
          self->is_answered = true;
        }
      });
    });
  }
  ~Asked() { Drop(); }
  void Drop() {
    gateway_.On(0, [&] { DropHere(); });
  }
  void DropHere() { state_->run.reset(); }
  bool is_answered() const { return state_->is_answered; }
  const Answer& answer() {
    REQUIRE(Eventually([&] { return is_answered(); }));
    gateway_.Settle();
    CHECK(state_->answers == 1);
    return *state_->answer;
  }

 private:
  struct State {
    std::unique_ptr<Run> run;
    std::unique_ptr<Answer> answer;
    std::atomic<bool> is_answered{false};
    int answers = 0;
  };
  ScriptedGateway& gateway_;
  std::shared_ptr<State> state_;
};

struct Fixture {
  explicit Fixture(const std::string& steps = kServers) : gateway(steps) {
    *context.facts = FactsFor("Config");
    context.identity = std::make_shared<const Identity>(Identity{.subject = "alice"});
  }
  Asked<Status> Authenticate() {
    context.identity.reset();
    return {gateway, [this](auto done) { return gateway.pipeline()->Authenticate(context, done); }};
  }
  Asked<Result<Found>> FindEndpoint(bool is_without_session = false) {
    return {gateway, [=, this](auto done) {
              Pipeline::EndpointRequest request;
              request.facts = context.facts;
              request.identity = context.identity;
              request.route = std::make_shared<const Route>(Route{.namespace_ = "sjns-ads-prod"});
              request.key = "key";
              request.is_without_session = is_without_session;
              request.choose = [](const std::vector<Endpoint>& endpoints) {
                return endpoints.empty() ? std::nullopt : std::optional(endpoints.front());
              };
              request.on_phase = [this](const std::string& phase) { phases.push_back(phase); };
              return gateway.pipeline()->FindEndpoint(std::move(request), done);
            }};
  }
  double Counted(const std::string& family, const std::string& label) {
    for (const auto& one : gateway.metrics.Snapshot()) {
      if (one.name != family) continue;
      for (const auto& series : one.series) {
        if (series.label_values == std::vector{label}) {
          return one.type == MetricType::kHistogram ? static_cast<double>(series.count) : series.value;
        }
      }
    }
    return 0;
  }

  CallContext context;
  std::vector<std::string> phases;
  ScriptedGateway gateway;
};

EndpointSnapshot Servers(Script& script, const std::vector<Endpoint>& endpoints) {
  return script.host->MakeSnapshot(endpoints);
}

}  // namespace

TEST_CASE("the first auth step that does not say Next decides, and its name is the realm") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  f.gateway.script("auth1").authenticate = [](const AuthCall&) { return Next{}; };
  f.gateway.script("auth2").authenticate = [](const AuthCall& call) {
    CHECK(call.method() == "/spark.connect.SparkConnectService/Config");
    return Identity{.subject = "bob", .groups = {"ads"}};
  };
  CHECK(f.Authenticate().answer().ok());
  CHECK(f.context.identity->subject == "bob");
  CHECK(f.context.identity->realm == "auth2");
  CHECK(f.Counted("spark_gateway_step_duration_seconds", "auth1") == 1);
  CHECK(f.Counted("spark_gateway_step_refusals_total", "auth1") == 0);
}

TEST_CASE("a lapsed identity is known, with the refusal of what it may not begin") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  f.gateway.script("auth1").authenticate = [](const AuthCall&) {
    return Lapsed{{.subject = "bob", .actor = "portal", .made_from = {"X-Act-For"}}, Unauthenticated("ended at noon")};
  };
  CHECK(f.Authenticate().answer().ok());
  CHECK(f.context.identity->subject == "bob");
  CHECK(f.context.identity->realm == "auth1");
  CHECK(f.context.identity->actor == "portal");
  CHECK(f.context.identity->made_from == std::vector<std::string>{"x-act-for"});
  CHECK(f.context.only_bound == Unauthenticated("ended at noon"));
}

TEST_CASE("a single auth step has no realm") {
  Fixture f;
  CHECK(f.Authenticate().answer().ok());
  CHECK(f.context.identity->realm == "");
}

TEST_CASE("a caller that no auth step knows is told how to say who it is") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  for (const char* name : {"auth1", "auth2"}) {
    f.gateway.script(name).authenticate = [](const AuthCall&) { return Next{}; };
  }
  auto asked = f.Authenticate();
  CHECK(asked.answer() == Unauthenticated("No credential that this gateway knows was sent. Use "
                                          "sc://gateway:15002/;token=<token> (with use_ssl=true on a TLS port)."));
  CHECK(f.context.refused_by == "auth");
  CHECK_FALSE(f.context.identity);
  CHECK(f.Counted("spark_gateway_step_refusals_total", "auth") == 1);
}

TEST_CASE("a refusal by an auth step is final: the next one is not asked") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  f.gateway.script("auth1").authenticate = [](const AuthCall&) { return Unauthenticated("expired"); };
  auto asked = f.Authenticate();
  CHECK(asked.answer() == Unauthenticated("expired"));
  CHECK(f.context.refused_by == "auth1");
  CHECK(f.Counted("spark_gateway_step_duration_seconds", "auth2") == 0);
  CHECK(f.Counted("spark_gateway_step_refusals_total", "auth1") == 1);
}

TEST_CASE("an auth step that throws, forgets its answer, or answers too late never lets a call through") {
  Fixture f("  - auth: auth1\n    hold: 30ms\n  - discovery: discovery1\n");
  Script& script = f.gateway.script("auth1");
  SUBCASE("it throws") {
    script.authenticate = [](const AuthCall&) -> AuthAnswer { throw std::runtime_error("boom"); };
    CHECK(f.Authenticate().answer().code() == StatusCode::kInternal);
  }
  SUBCASE("it drops its completion") {
    script.authenticate = [](const AuthCall& call) -> AuthAnswer { return call.Defer<AuthAnswer>().pending; };
    CHECK(f.Authenticate().answer().code() == StatusCode::kInternal);
  }
  SUBCASE("it says pending and promised nothing") {
    script.authenticate = [](const AuthCall&) -> AuthAnswer { return Pending{}; };
    CHECK_FALSE(f.Authenticate().answer().ok());
  }
  SUBCASE("it answers after its hold") {
    Completion<AuthAnswer> late;
    script.authenticate = [&](const AuthCall& call) -> AuthAnswer {
      auto [pending, done] = call.Defer<AuthAnswer>();
      late = done;
      return pending;
    };
    auto asked = f.Authenticate();
    CHECK(asked.answer() == Unavailable("The step 'auth1' does not answer.", RetryIn(5s)));
    late(Identity{.subject = "mallory"});
    f.gateway.Settle();
    CHECK(asked.answer().code() == StatusCode::kUnavailable);
  }
  CHECK_FALSE(f.context.identity);
  CHECK(f.context.refused_by == "auth1");
}

TEST_CASE("a pending step resumes the run on the call's own worker, from whichever thread it answers") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  std::thread elsewhere;
  f.gateway.script("auth1").authenticate = [&](const AuthCall& call) -> AuthAnswer {
    auto [pending, done] = call.Defer<AuthAnswer>();
    elsewhere = std::thread([done = std::move(done)] { done(Next{}); });
    return pending;
  };
  f.gateway.script("auth2").authenticate = [&](const AuthCall&) {
    CHECK(Worker::Current() == &f.gateway.workers[0]);
    return Identity{.subject = "bob"};
  };
  CHECK(f.Authenticate().answer().ok());
  elsewhere.join();
}

TEST_CASE("a caller who leaves cancels the pending step, and no later one is asked") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  std::atomic<bool> is_cancelled = false;
  Completion<AuthAnswer> kept;
  f.gateway.script("auth1").authenticate = [&](const AuthCall& call) -> AuthAnswer {
    auto [pending, done] = call.Defer<AuthAnswer>();
    done.OnCancel([&] { is_cancelled = true; });
    kept = done;
    return pending;
  };
  auto asked = f.Authenticate();
  asked.Drop();
  CHECK(is_cancelled);
  kept(Next{});
  f.gateway.Settle();
  CHECK_FALSE(asked.is_answered());
  CHECK(f.Counted("spark_gateway_step_duration_seconds", "auth2") == 0);
}

TEST_CASE("the router sees who it is, its answer becomes the call's route, and its refusal names it") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  f.context.identity = std::make_shared<const Identity>(
      Identity{.subject = "alice", .groups = {"ads"}, .actor = "portal", .realm = "okta"});
  const auto find = [&](auto done) { return f.gateway.pipeline()->FindRoute(f.context, done); };
  f.gateway.script("router1").decide = [](const RouterCall& call) -> RouterAnswer {
    CHECK(call.identity() == Identity{.subject = "alice", .groups = {"ads"}, .actor = "portal", .realm = "okta"});
    return Route{.namespace_ = "sjns-ads-prod", .policy = {.share = Share::kTeam}};
  };
  CHECK(Asked<Status>(f.gateway, find).answer().ok());
  CHECK(f.context.route->namespace_ == "sjns-ads-prod");
  CHECK(f.context.route->policy.share == Share::kTeam);

  f.gateway.script("router1").decide = [](const RouterCall&) { return PermissionDenied("team 'ads' is not yours"); };
  CHECK(Asked<Status>(f.gateway, find).answer() == PermissionDenied("team 'ads' is not yours"));
  CHECK(f.context.refused_by == "router1");
}

TEST_CASE("a route is never made from a credential, whatever its router says") {
  Fixture f(kSteps + "  - discovery: discovery1\n");
  f.gateway.script("router1").decide = [](const RouterCall&) {
    return Route{.made_from = {"authorization", "x-team", "authentication"}};
  };
  const auto find = [&](auto done) { return f.gateway.pipeline()->FindRoute(f.context, done); };
  CHECK(Asked<Status>(f.gateway, find).answer().ok());
  CHECK(f.context.route->made_from == std::vector<std::string>{"x-team"});
}

TEST_CASE("a warm server ends the search for one: nothing behind it is asked") {
  Fixture f;
  f.gateway.script("pool1").acquire = [](const PoolCall& call) -> PoolAnswer {
    CHECK_FALSE(call.create());
    CHECK(call.key() == "key");
    CHECK(call.route().namespace_ == "sjns-ads-prod");
    return Lease{"lease-1", {.address = "10.0.0.1:15002", .incarnation = "uid-1", .token = Secret("t")}};
  };
  const auto found = f.FindEndpoint().answer();
  REQUIRE(found);
  CHECK(found->lease_id == "lease-1");
  CHECK(found->source->name() == "pool1");
  CHECK(found->endpoint.token == Secret("t"));
  CHECK(f.Counted("spark_gateway_step_duration_seconds", "discovery1") == 0);
}

TEST_CASE("where a discovery knows servers but none is ready, a later step makes one") {
  Fixture f;
  f.gateway.script("discovery1").resolve = [&](const DiscoveryCall&) {
    return Servers(f.gateway.script("discovery1"), {});
  };
  SUBCASE("and it is used") {
    f.gateway.script("pool2").acquire = [](const PoolCall& call) -> PoolAnswer {
      CHECK(call.create());
      return Lease{"made", {.address = "a:1"}};
    };
    const auto found = f.FindEndpoint().answer();
    REQUIRE(found);
    CHECK(found->lease_id == "made");
  }
  SUBCASE("and without one the caller is asked to come again") {
    CHECK(f.FindEndpoint().answer().status() == Unavailable("No server in sjns-ads-prod is ready.", RetryIn(5s)));
  }
}

TEST_CASE("where nobody has servers the caller is told whom to ask") {
  Fixture f;
  const auto found = f.FindEndpoint().answer();
  CHECK(found.status() ==
        FailedPrecondition("There are no Spark servers in sjns-ads-prod, and none may be made. Ask its team."));
}

TEST_CASE("a step other than create that takes longer than its hold ends the search UNAVAILABLE") {
  Fixture f;
  std::atomic<bool> is_cancelled = false;
  Completion<PoolAnswer> late;
  f.gateway.script("pool1").acquire = [&](const PoolCall& call) -> PoolAnswer {
    auto [pending, done] = call.Defer<PoolAnswer>();
    done.OnCancel([&] { is_cancelled = true; });
    late = done;
    return pending;
  };
  auto asked = f.FindEndpoint();
  CHECK(asked.answer().status() == Unavailable("The step 'pool1' does not answer.", RetryIn(5s)));
  CHECK(is_cancelled);
  late(Lease{"late", {.address = "a:1"}});
  f.gateway.Settle();
  CHECK(f.gateway.script("pool1").count("released late unclaimed") == 1);
}

TEST_CASE("making a server may take longer than hold, and ends at give_up") {
  const auto steps = [](const std::string& give_up) {
    return "  - auth: auth1\n  - hot-pool: pool2\n    create: true\n    hold: 20ms\n    give_up: " + give_up + "\n";
  };
  const auto making = [](Fixture& f, Completion<PoolAnswer>& later, PhaseReport& phase) {
    f.gateway.script("pool2").acquire = [&](const PoolCall& call) -> PoolAnswer {
      auto [pending, done] = call.Defer<PoolAnswer>();
      later = done;
      phase = call.phase;
      return pending;
    };
    return f.FindEndpoint();
  };
  SUBCASE("it answers in time") {
    Fixture f(steps("1h"));
    Completion<PoolAnswer> later;
    PhaseReport phase;
    auto asked = making(f, later, phase);
    phase("pulling image");
    f.gateway.Settle();
    CHECK(f.phases == std::vector<std::string>{"pulling image"});
    // The worker's timers fire in their order: one that was set for the hold would have.
    std::promise<void> passed;
    const core::Timer timer =
        f.gateway.On(0, [&] { return f.gateway.workers[0].StartTimer(20ms, [&] { passed.set_value(); }); });
    passed.get_future().get();
    CHECK_FALSE(asked.is_answered());
    later(Lease{"made", {.address = "a:1"}});
    CHECK(asked.answer());
  }
  SUBCASE("it does not") {
    Fixture f(steps("40ms"));
    Completion<PoolAnswer> later;
    PhaseReport phase;
    auto asked = making(f, later, phase);
    CHECK(asked.answer().status() == FailedPrecondition("No server could be made in time (step 'pool2')."));
  }
}

TEST_CASE("a lease that was on its way when the search was dropped goes back") {
  Fixture f;
  Completion<PoolAnswer> later;
  f.gateway.script("pool1").acquire = [&](const PoolCall& call) -> PoolAnswer {
    auto [pending, done] = call.Defer<PoolAnswer>();
    later = done;
    return pending;
  };
  auto asked = f.FindEndpoint();
  // The answer is queued for the worker behind the task that drops the run.
  f.gateway.On(0, [&] {
    later(Lease{"crossed", {.address = "a:1"}});
    asked.DropHere();
  });
  f.gateway.Settle();
  CHECK_FALSE(asked.is_answered());
  CHECK(f.gateway.script("pool1").count("released crossed unclaimed") == 1);
}

TEST_CASE("a call without a session is served by discoveries alone") {
  Fixture f;
  f.gateway.script("pool1").acquire = [](const PoolCall&) -> PoolAnswer {
    FAIL("nothing may be leased");
    return Next{};
  };
  f.gateway.script("discovery1").resolve = [&](const DiscoveryCall&) {
    return Servers(f.gateway.script("discovery1"), {{.address = "a:1"}});
  };
  const auto found = f.FindEndpoint(true).answer();
  REQUIRE(found);
  CHECK(found->endpoint.address == "a:1");
  CHECK(found->lease_id == "");
}

TEST_CASE("every audit that has a say is asked before an operation starts, and one refusal is enough") {
  Fixture f("  - auth: auth1\n  - discovery: discovery1\n  - audit: [audit1, audit2]\n");
  CHECK(f.gateway.pipeline()->has_admission());
  CHECK(f.gateway.pipeline()->has_observers());
  const RecordOf record(SGW_RECORD_OPERATION_STARTED, f.context);
  const auto admit = [&](auto done) { return f.gateway.pipeline()->Admit(const_cast<RecordOf&>(record).raw(), done); };
  CHECK(Asked<Status>(f.gateway, admit).answer().ok());
  f.gateway.script("audit2").admit = [](const sgw::Record& r, Completion<Status> done) {
    CHECK(r.subject == "alice");
    done(Unavailable("the audit's disk is full"));
  };
  CHECK(Asked<Status>(f.gateway, admit).answer() == Unavailable("the audit's disk is full"));
}

TEST_CASE("every observer is told of a record") {
  Fixture f("  - auth: auth1\n  - discovery: discovery1\n  - audit: [audit1, audit2]\n");
  f.context.session_id = "s1";
  RecordOf record(SGW_RECORD_SESSION_OPENED, f.context);
  f.gateway.On(0, [&] { f.gateway.pipeline()->Record(record.raw()); });
  CHECK(f.gateway.script("audit1").seen() == std::vector<std::string>{"session_opened s1"});
  CHECK(f.gateway.script("audit2").seen() == std::vector<std::string>{"session_opened s1"});
}

TEST_CASE("a caller is kept waiting for as long as the step says that may make a server") {
  CHECK(ScriptedGateway(kServers).pipeline()->hold() == 20ms);
  CHECK(ScriptedGateway("  - auth: auth1\n  - discovery: discovery1\n").pipeline()->hold() == 25s);
}
