#include "core/plugin/host.h"
#include "tests/core/plugin/plugin_rig.h"
#include "tests/support/run_on.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

void GiveAuth(const Hook& hook, sgw_ask ask, std::uint32_t what, const sgw_identity* identity = nullptr,
              const sgw_status* status = nullptr, std::uint32_t size = sizeof(sgw_auth_answer)) {
  const sgw_auth_answer answer{size, what, identity, status, nullptr};
  hook.table->answer_auth(hook.host, ask, &answer);
}

void AnswerAs(const Hook& hook, sgw_ask ask, std::string_view subject) {
  sgw_identity identity{};
  identity.size = sizeof(identity);
  identity.subject = Raw(subject);
  GiveAuth(hook, ask, SGW_ANSWER_VALUE, &identity);
}

void AnswerLease(const Hook& hook, sgw_ask ask, std::string_view id, std::string_view address = "a:1") {
  sgw_lease lease{};
  lease.size = sizeof(lease);
  lease.id = Raw(id);
  lease.endpoint.size = sizeof(lease.endpoint);
  lease.endpoint.address = Raw(address);
  const sgw_pool_answer answer{sizeof(answer), SGW_ANSWER_VALUE, &lease, nullptr};
  hook.table->answer_pool(hook.host, ask, &answer);
}

// A plugin of one kind, asked on a worker of its own, and what came of it.
class Asking {
 public:
  explicit Asking(const std::string& kind) {
    rig.hook.ask = [this](sgw_ask ask) -> std::int32_t {
      asks.push_back(ask);
      return on_ask ? on_ask(ask) : std::int32_t{SGW_PENDING};
    };
    rig.hook.release = [this](const std::string& id, int outcome) {
      released.push_back(id + " " + std::to_string(outcome));
    };
    rig.hook.cancel = [this](sgw_ask ask) { cancelled.push_back(ask); };
    rig.ServeKind(kind);
    worker.Start();
  }
  ~Asking() {
    Drop();
    worker.Stop();
  }

  void On(const std::function<void()>& function) { RunOn(worker, function); }
  // One question; the newest answer is kept.
  void Ask() {
    On([this] {
      const auto heard = [this](PluginAnswer given) {
        CHECK(worker.IsCurrent());
        pending.Forget();
        answer = std::move(given);
        ++answers;
      };
      pending = Put(heard);
    });
  }
  core::Ask Put(AnswerFn heard) {
    Instance& it = rig.instance();
    const CallFacts facts;
    const Identity alice{.subject = "alice"};
    const sgw::Route route{};
    switch (it.tag().kind) {
      case StepKind::kAuth: return it.Authenticate(facts, heard);
      case StepKind::kRouter: return it.Route(facts, alice, heard);
      case StepKind::kHotPool:
        return it.Acquire(
            {facts, alice, route, "key", true, [this](const std::string& phase) { phases.push_back(phase); }}, heard);
      case StepKind::kDiscovery: return it.Resolve(facts, nullptr, route, heard);
      case StepKind::kAudit: return it.Admit(sgw_record{}, heard);
      default: return it.LookUp("key", heard);
    }
  }
  // Nobody wants the answer any more.
  void Drop() {
    On([this] { pending.Cancel(); });
  }
  // Waits until nothing is on its way.
  void Settle() {
    for (int round = 0; round < 2; ++round) {
      rig.Settle();
      On([] {});
    }
  }
  StatusCode code() const {
    const auto* status = std::get_if<Status>(&answer);
    return status ? status->code() : StatusCode::kOk;
  }

  PluginRig rig;
  Worker worker{"worker"};
  std::function<std::int32_t(sgw_ask)> on_ask;
  std::vector<sgw_ask> asks;
  std::vector<sgw_ask> cancelled;
  std::vector<std::string> released;
  std::vector<std::string> phases;
  core::Ask pending;
  PluginAnswer answer;
  int answers = 0;
};

}  // namespace

TEST_CASE("an answer is heard once, on the asker's worker: at once, or later from whichever thread") {
  Asking a("auth");
  SUBCASE("at once") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t { return AnswerAs(a.rig.hook, ask, "alice"), SGW_ANSWERED; };
    a.Ask();
  }
  SUBCASE("at once, although it said that it would come later") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t { return AnswerAs(a.rig.hook, ask, "alice"), SGW_PENDING; };
    a.Ask();
  }
  SUBCASE("later, from a thread of the plugin's") {
    a.Ask();
    CHECK(a.pending.is_pending());
    std::thread([&] { AnswerAs(a.rig.hook, a.asks[0], "alice"); }).join();
  }
  a.Settle();
  CHECK(a.answers == 1);
  REQUIRE(std::holds_alternative<Identity>(a.answer));
  CHECK(std::get<Identity>(a.answer).subject == "alice");
  CHECK_FALSE(a.pending.is_pending());
}

TEST_CASE("only the first answer counts; every other one is counted as what it was, and does nothing") {
  Asking a("auth");
  SUBCASE("twice within the question") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t {
      AnswerAs(a.rig.hook, ask, "alice");
      AnswerAs(a.rig.hook, ask, "mallory");
      return SGW_ANSWERED;
    };
    a.Ask();
  }
  SUBCASE("twice later") {
    a.Ask();
    AnswerAs(a.rig.hook, a.asks[0], "alice");
    AnswerAs(a.rig.hook, a.asks[0], "mallory");
  }
  SUBCASE("again when it was heard long ago") {
    a.Ask();
    AnswerAs(a.rig.hook, a.asks[0], "alice");
    a.Settle();
    AnswerAs(a.rig.hook, a.asks[0], "mallory");
  }
  a.Settle();
  CHECK(a.answers == 1);
  CHECK(std::get<Identity>(a.answer).subject == "alice");
  CHECK(a.rig.Misuse("twice") == 1);
}

TEST_CASE("an answer that nobody waits for any more is counted, and the plugin has been told") {
  Asking a("auth");
  a.Ask();
  a.Drop();
  CHECK(a.cancelled == a.asks);
  AnswerAs(a.rig.hook, a.asks[0], "alice");
  SUBCASE("its slot is free") {}
  SUBCASE("its slot waits for another question's answer") {
    a.Ask();
    REQUIRE(a.asks.size() == 2);
    CHECK((a.asks[0] & 0xffffff) == (a.asks[1] & 0xffffff));  // the same slot, another generation
    AnswerAs(a.rig.hook, a.asks[0], "mallory");
    a.Settle();
    CHECK(a.pending.is_pending());
    CHECK(a.rig.Misuse("late") == 2);
  }
  a.Settle();
  CHECK(a.answers == 0);
  CHECK(a.rig.Misuse("late") >= 1);
}

TEST_CASE("a name that no question ever had finds nothing") {
  Asking a("auth");
  a.Ask();
  std::uint64_t garbage = 88172645463325252U;
  double tried = 0;
  for (const sgw_ask made_up : {sgw_ask{0}, ~sgw_ask{0}, a.asks[0] + (sgw_ask{1} << 24), sgw_ask{1} << 63}) {
    AnswerAs(a.rig.hook, made_up, "mallory");
    ++tried;
  }
  for (int i = 0; i < 1000; ++i) {
    garbage ^= garbage << 13;
    garbage ^= garbage >> 7;
    garbage ^= garbage << 17;
    if ((garbage >> 24) <= 1) continue;
    AnswerAs(a.rig.hook, garbage, "mallory");
    a.rig.hook.table->report_phase(a.rig.hook.host, garbage, {});
    ++tried;
  }
  a.Settle();
  CHECK(a.pending.is_pending());
  CHECK(a.rig.Misuse("unknown") == tried);
}

TEST_CASE("an instance cannot answer for another") {
  Asking a("auth");
  Hook other_hook;
  std::unique_ptr<Instance> other;
  a.rig.On([&] {
    auto library = Library::Open(a.rig.file);
    REQUIRE(library);
    REQUIRE((*library)->Load(HostFunctions()).ok());
    auto made = Instance::Create(
        *library, "other", {"{\"hook\":" + std::to_string(reinterpret_cast<std::uintptr_t>(&other_hook)) + "}", {}},
        "/", a.rig.services);
    REQUIRE(made);
    other = *std::move(made);
  });
  a.Ask();
  AnswerAs(other_hook, a.asks[0], "mallory");
  a.Settle();
  CHECK(a.pending.is_pending());
  CHECK(Counted(a.rig.metrics, "spark_gateway_plugin_answer_misuse_total", {"other", "foreign"}) == 1);
  a.rig.On([&] { other.reset(); });
}

TEST_CASE("an answer that makes no sense ends the question with INTERNAL") {
  Asking a("auth");
  const auto& hook = a.rig.hook;
  std::string reason;
  SUBCASE("none, although it said so") {
    a.on_ask = [](sgw_ask) { return std::int32_t{SGW_ANSWERED}; };
    reason = "missing";
  }
  SUBCASE("neither answered nor pending") {
    a.on_ask = [](sgw_ask) { return 7; };
  }
  SUBCASE("answered, and then neither answered nor pending") {
    a.on_ask = [&](sgw_ask ask) { return AnswerAs(hook, ask, "mallory"), 7; };
  }
  SUBCASE("of another kind") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t {
      const sgw_status ok{sizeof(ok), 0, {}, -1};
      hook.table->answer_done(hook.host, ask, &ok);
      return SGW_ANSWERED;
    };
    reason = "wrong_kind";
  }
  SUBCASE("a lease, from a plugin that has no function to take it back") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t { return AnswerLease(hook, ask, "lease-1"), SGW_ANSWERED; };
    reason = "wrong_kind";
  }
  SUBCASE("no pointer") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t { return hook.table->answer_auth(hook.host, ask, nullptr), 0; };
  }
  SUBCASE("cut short") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t {
      return GiveAuth(hook, ask, SGW_ANSWER_NEXT, nullptr, nullptr, 8), SGW_ANSWERED;
    };
  }
  SUBCASE("a value without one") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t { return GiveAuth(hook, ask, SGW_ANSWER_VALUE), SGW_ANSWERED; };
  }
  SUBCASE("an identity without a subject") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t { return AnswerAs(hook, ask, ""), SGW_ANSWERED; };
  }
  SUBCASE("a refusal that is OK") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t {
      const sgw_status ok{sizeof(ok), 0, {}, -1};
      return GiveAuth(hook, ask, SGW_ANSWER_STATUS, nullptr, &ok), SGW_ANSWERED;
    };
  }
  SUBCASE("an answer of tomorrow") {
    a.on_ask = [&](sgw_ask ask) -> std::int32_t { return GiveAuth(hook, ask, 99), SGW_ANSWERED; };
  }
  a.Ask();
  a.Settle();
  CHECK(a.answers == 1);
  CHECK(a.code() == StatusCode::kInternal);
  CHECK(a.released.empty());
  if (!reason.empty()) CHECK(a.rig.Misuse(reason) == 1);
}

TEST_CASE("a deadline that a plugin has missed is not the call's: its client hears UNAVAILABLE") {
  constexpr std::string_view kWhy = "the portal was too slow";
  const sgw_status raw{sizeof(raw), static_cast<int>(StatusCode::kDeadlineExceeded), {kWhy.data(), kWhy.size()}, 7};
  const Status status = StatusOf(&raw);
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message() == kWhy);
  CHECK(status.retry_delay() == 7ms);
}

TEST_CASE("what a plugin throws when it is asked ends that one call with INTERNAL, whatever it had answered") {
  for (const char* kind : {"auth", "router", "hot-pool", "discovery", "audit", "session-store"}) {
    CAPTURE(kind);
    Asking a(kind);
    bool has_answered = false;
    for (const bool answers_first : {false, true}) {
      a.on_ask = [&](sgw_ask ask) -> std::int32_t {
        has_answered = answers_first;
        if (answers_first && kind == std::string("hot-pool")) {
          AnswerLease(a.rig.hook, ask, "lease-1");
        } else if (answers_first) {
          AnswerAs(a.rig.hook, ask, "mallory");
        }
        throw std::runtime_error("secret");
      };
      a.Ask();
      a.Settle();
      CHECK(std::get<Status>(a.answer) == Internal("the plugin failed inside"));
    }
    CHECK(has_answered);
    CHECK(a.answers == 2);
    CHECK(a.rig.Misuse("threw") == 2);
    CHECK(a.rig.Misuse("missing") == 0);
    if (a.rig.instance().tag().kind == StepKind::kHotPool) CHECK(a.released == std::vector<std::string>{"lease-1 2"});
  }
}

TEST_CASE("what a plugin throws when it is told something is counted, and nothing else") {
  Asking a("hot-pool");
  a.rig.hook.release = [](const std::string&, int) { throw 1; };
  a.rig.hook.cancel = [](sgw_ask) { throw 2; };
  a.rig.hook.tell = []() -> std::string { throw 3; };
  a.rig.hook.destroy = [] { throw 4; };
  a.Ask();
  a.Drop();
  a.rig.instance().Release("lease-1", LeaseOutcome::kEnded);
  CHECK(a.rig.instance().Describe() == "{}");
  CHECK(a.rig.Misuse("threw") == 3);
  a.rig.generation.reset();
  CHECK(a.rig.Misuse("threw") == 4);
}

TEST_CASE("an audit that throws at a record, and metrics that throw at a page, disturb nobody") {
  PluginRig audit;
  audit.hook.tell = []() -> std::string { throw std::runtime_error("disk"); };
  audit.ServeKind("audit").Record(sgw_record{});
  CHECK(audit.Misuse("threw") == 1);
  PluginRig metrics;
  metrics.hook.tell = audit.hook.tell;
  std::string type;
  std::string body;
  metrics.ServeKind("metrics").Render({}, type, body);
  CHECK(body.empty());
  CHECK(metrics.Misuse("threw") == 1);
}

TEST_CASE("a question that is never answered is answered for the plugin when it stops, and counted") {
  Asking a("hot-pool");
  a.Ask();
  a.rig.generation->Stop();
  a.Settle();
  CHECK(a.answers == 1);
  CHECK(std::get<Status>(a.answer) == Unavailable("The step 'it' was stopped."));
  CHECK(a.rig.Misuse("never") == 1);
  AnswerLease(a.rig.hook, a.asks[0], "lease-1");
  a.Settle();
  CHECK(a.rig.Misuse("twice") == 1);
  CHECK(a.released == std::vector<std::string>{"lease-1 2"});
}

TEST_CASE("a server that reaches nobody goes back, once") {
  Asking a("hot-pool");
  a.Ask();
  SUBCASE("it comes late") {
    a.Drop();
    AnswerLease(a.rig.hook, a.asks[0], "lease-1");
    a.Settle();
    CHECK(a.rig.Misuse("late") == 1);
  }
  SUBCASE("it was on its way when the caller left") {
    a.On([&] {
      AnswerLease(a.rig.hook, a.asks[0], "lease-1");
      a.pending.Cancel();
    });
    a.Settle();
    CHECK(a.cancelled.empty());  // it owed nothing any more
  }
  SUBCASE("it is a second one for the same question") {
    AnswerLease(a.rig.hook, a.asks[0], "lease-0");
    AnswerLease(a.rig.hook, a.asks[0], "lease-1");
    a.Settle();
    CHECK(std::get<Lease>(a.answer).id == "lease-0");
    CHECK(a.rig.Misuse("twice") == 1);
  }
  SUBCASE("it has no address") {
    AnswerLease(a.rig.hook, a.asks[0], "lease-1", "");
    a.Settle();
    CHECK(a.code() == StatusCode::kInternal);
  }
  CHECK(a.released == std::vector<std::string>{"lease-1 2"});
}

TEST_CASE("a server that the host holds is not given to a second caller, nor taken from the first") {
  Asking a("hot-pool");
  a.Ask();
  AnswerLease(a.rig.hook, a.asks[0], "lease-1");
  a.Settle();
  REQUIRE(std::holds_alternative<Lease>(a.answer));
  SUBCASE("answered twice") {
    AnswerLease(a.rig.hook, a.asks[0], "lease-1");
    a.Settle();
    CHECK(a.rig.Misuse("twice") == 1);
  }
  SUBCASE("answered to another question") {
    a.Ask();
    AnswerLease(a.rig.hook, a.asks[1], "lease-1");
    a.Settle();
    CHECK(a.code() == StatusCode::kInternal);
    CHECK(a.rig.Misuse("leased_twice") == 1);
  }
  CHECK(a.released.empty());
  a.rig.instance().Release("lease-1", LeaseOutcome::kEnded);
  a.Ask();
  AnswerLease(a.rig.hook, a.asks.back(), "lease-1");  // it may come again after it went back
  a.Settle();
  CHECK(std::holds_alternative<Lease>(a.answer));
}

TEST_CASE("the lease of a plugin that was built before endpoints had TLS is as good as today's") {
  Asking a("hot-pool");
  a.Ask();
  sgw_lease lease{};
  lease.size = offsetof(sgw_lease, endpoint) + offsetof(sgw_endpoint, tls);
  lease.id = Raw("lease-1");
  lease.endpoint.size = offsetof(sgw_endpoint, tls);
  lease.endpoint.address = Raw("a:1");
  lease.endpoint.tls = 77;  // another member's bytes, for all the host knows
  SUBCASE("") {}
  SUBCASE("whose endpoint claims to be longer than the lease") { lease.endpoint.size = sizeof(lease.endpoint); }
  const sgw_pool_answer answer{sizeof(answer), SGW_ANSWER_VALUE, &lease, nullptr};
  a.rig.hook.table->answer_pool(a.rig.hook.host, a.asks[0], &answer);
  a.Settle();
  if (lease.endpoint.size == sizeof(lease.endpoint)) {
    CHECK(a.code() == StatusCode::kInternal);
  } else {
    REQUIRE(std::holds_alternative<Lease>(a.answer));
    CHECK(std::get<Lease>(a.answer).endpoint.address == "a:1");
    CHECK(std::get<Lease>(a.answer).endpoint.tls == Tls::kConfigured);
  }
}

TEST_CASE("a waiting caller hears how far its server is, in plain words, until the answer comes") {
  Asking a("hot-pool");
  a.Ask();
  const auto& hook = a.rig.hook;
  hook.table->report_phase(hook.host, a.asks[0], Raw("pulling\nimage"));
  hook.table->report_phase(hook.host, a.asks[0], Raw(std::string(1000, 'x')));
  a.Settle();
  CHECK(a.phases == std::vector<std::string>{"pulling image", std::string(200, 'x')});
  AnswerLease(hook, a.asks[0], "lease-1");
  hook.table->report_phase(hook.host, a.asks[0], Raw("late"));
  a.Settle();
  CHECK(a.phases.size() == 2);
}

TEST_CASE("answers that race with leaving callers come once or not at all, and no server is lost") {
  Asking a("hot-pool");
  std::atomic<sgw_ask> open{0};
  std::atomic<int> given{0};
  std::atomic<int> went_back{0};
  std::atomic<bool> is_over{false};
  a.on_ask = [&](sgw_ask ask) { return open = ask, std::int32_t{SGW_PENDING}; };
  a.rig.hook.release = [&](const std::string&, int) { ++went_back; };
  a.rig.hook.cancel = [](sgw_ask) {};
  std::thread plugin([&] {
    while (!is_over) {
      if (const sgw_ask ask = open.exchange(0)) AnswerLease(a.rig.hook, ask, "lease-" + std::to_string(++given));
    }
  });
  for (int i = 0; i < 500; ++i) {
    a.Ask();
    a.Drop();
  }
  is_over = true;
  plugin.join();
  a.Settle();
  CHECK(a.answers + went_back == given);
}
