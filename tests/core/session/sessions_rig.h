// SessionsRig: Sessions over scripted plugins, and callers that use them.
#pragma once

#include <sgw/testing/temp_dir.h>

#include <filesystem>

#include "core/session/sessions.h"
#include "tests/core/pipeline/scripted_gateway.h"

namespace sgw::core::testing {

inline const std::string kPools =
    "  - auth: auth1\n  - hot-pool: pool1\n  - discovery: discovery1\n"
    "  - hot-pool: pool2\n    create: true\n    hold: 50ms\n";
inline const std::string kRouted = "  - auth: auth1\n  - router: router1\n  - discovery: discovery1\n";
inline const std::string kDiscovered = "  - auth: auth1\n  - discovery: discovery1\n";

inline const std::string kS1 = "11111111-1111-4111-8111-111111111111";
inline const std::string kS2 = "22222222-2222-4222-8222-222222222222";
inline const std::string kS3 = "33333333-3333-4333-8333-333333333333";
inline const std::string kOp = "99999999-9999-4999-8999-999999999999";

using sgw::testing::TempDir;

class SessionsRig : public ScriptedGateway {
 public:
  explicit SessionsRig(const std::string& pipeline = kPools, const std::string& more = "",
                       std::shared_ptr<std::map<std::string, Script>> before = nullptr)
      : ScriptedGateway(pipeline, more, std::move(before)) {
    auto created = Sessions::Create(config, this->pipeline(), endpoints, services);
    REQUIRE_MESSAGE(created, created.status().message());
    sessions = *std::move(created);
    sessions->Restore();
    Settle();
  }
  ~SessionsRig() {
    sessions.reset();
    Settle();
  }

  // What the sweep does every second, now.
  void Sweep() {
    sessions->StartSweeping();
    Settle();
  }
  void Pass(SteadyTime::duration time) {
    clock.Advance(time);
    Sweep();
  }
  // The pool gives server after server: lease "<pool>-1" at "<pool>:1" and so on.
  void PoolGives(const std::string& pool) {
    auto next = std::make_shared<std::atomic<int>>(0);
    script(pool).acquire = [next, pool](const PoolCall&) -> PoolAnswer {
      const std::string number = std::to_string(++*next);
      return Lease{pool + "-" + number, {.address = pool + ":" + number, .incarnation = "i" + number}};
    };
  }
  void DiscoveryHas(const std::vector<Endpoint>& servers) {
    script("discovery1").resolve = [this, servers](const DiscoveryCall&) {
      return script("discovery1").host->MakeSnapshot(servers);
    };
  }
  // The pool answers when the test says so, through `later`.
  void PoolWaits(const std::string& pool) {
    script(pool).acquire = [this](const PoolCall& call) -> PoolAnswer {
      auto [pending, done] = call.Defer<PoolAnswer>();
      later = done;
      kept.push_back(done);
      phase = call.phase;
      ++acquisitions;
      return pending;
    };
  }

  EndpointTable endpoints{clock};
  std::unique_ptr<Sessions> sessions;
  Completion<PoolAnswer> later;              // of the newest question
  std::vector<Completion<PoolAnswer>> kept;  // dropping one would answer it
  PhaseReport phase;
  std::atomic<int> acquisitions{0};
};

// How a call is made; the rest of it is of no interest to the test.
struct CallOptions {
  std::string subject = "alice";
  StringMap headers{};
  std::vector<std::string> groups{};
  std::string actor{};
  std::string realm{};
  std::string operation_id{};
  std::string new_session_id{};
  bool has_observed_id = false;
  bool is_reattachable = true;
  bool is_release_all = false;
  bool allows_reconnect = false;
  std::size_t worker = 0;
  Status only_bound{};  // the identity is good only for the sessions that it has
};

// One call that asks for its place.
class Caller {
 public:
  Caller(SessionsRig& rig, const std::string& method, const std::string& session_id, const CallOptions& options = {})
      : rig_(rig), worker_(options.worker), state_(std::make_shared<State>()) {
    *state_->context.facts = FactsFor(method, options.headers);
    state_->context.identity = std::make_shared<const Identity>(
        Identity{.subject = options.subject, .groups = options.groups, .actor = options.actor, .realm = options.realm});
    state_->context.only_bound = options.only_bound;
    FirstFields& fields = state_->fields;
    fields.session_id = session_id;
    fields.operation_id = options.operation_id;
    fields.new_session_id = options.new_session_id;
    fields.has_observed_id = options.has_observed_id;
    fields.is_reattachable = options.is_reattachable;
    fields.is_release_all = options.is_release_all;
    fields.allows_reconnect = options.allows_reconnect;
    rig_.On(worker_, [&] {
      auto run = rig_.sessions->Place(state_->context, fields, FactsOf(state_->context.facts->method()),
                                      [this, weak = std::weak_ptr(state_)](Result<Placement> placement) {
                                        const auto self = weak.lock();
                                        if (!self) return;
                                        CHECK(rig_.workers[worker_].IsCurrent());
                                        CHECK_FALSE(self->is_answered);
                                        if (placement && placement->ticket) {
                                          self->ticket = placement->ticket;
                                          self->ticket->OnCut([raw = self.get()](const Status& status) {
                                            raw->cut = status;
                                            raw->ticket.reset();
                                            raw->is_cut = true;
                                          });
                                          self->ticket->BeginOperation();
                                        }
                                        self->status = placement.status();
                                        self->is_answered = true;
                                      });
      state_->run = std::move(run);
    });
  }
  ~Caller() { Drop(); }
  Caller(const Caller&) = delete;

  bool is_answered() const { return state_->is_answered; }
  // Waits for the answer.
  const Status& status() {
    REQUIRE(Eventually([&] { return is_answered(); }));
    return state_->status;
  }
  // The address of its server; what refused it otherwise.
  std::string server() {
    if (!status().ok()) return std::string(CodeName(status().code())) + ": " + status().message();
    return state_->ticket ? state_->ticket->endpoint().address : "an empty success";
  }
  SessionTicket& ticket() { return *state_->ticket; }
  const CallContext& context() const { return state_->context; }

  // The driver ended its response. True: an operation has ended by that.
  bool Finish(StatusCode code = StatusCode::kOk, bool has_result_complete = true,
              const std::string& operation_id = {}) {
    return End({.code = code,
                .is_driver_answer = true,
                .has_result_complete = has_result_complete,
                .operation_id = operation_id});
  }
  bool End(const StreamEnd& end) {
    REQUIRE(server() != "");
    return rig_.On(worker_, [&] {
      const auto ticket = std::exchange(state_->ticket, nullptr);
      return ticket && ticket->Finished(end);
    });
  }
  // What the stream hears when its session ends under it.
  const Status& cut() {
    REQUIRE(Eventually([&] { return state_->is_cut.load(); }));
    return state_->cut;
  }
  bool is_cut() const { return state_->is_cut; }
  // The client has gone.
  void Drop() {
    rig_.On(worker_, [&] {
      state_->run.reset();
      state_->ticket.reset();
    });
  }

 private:
  struct State {
    CallContext context;
    FirstFields fields;
    std::unique_ptr<Run> run;
    Status status;
    std::shared_ptr<SessionTicket> ticket;
    Status cut;
    std::atomic<bool> is_answered{false};
    std::atomic<bool> is_cut{false};
  };
  SessionsRig& rig_;
  const std::size_t worker_;
  std::shared_ptr<State> state_;
};

// Makes a call that ends at once, and says where it went.
inline std::string Once(SessionsRig& rig, const std::string& method, const std::string& session_id,
                        const CallOptions& options = {}) {
  Caller caller(rig, method, session_id, options);
  std::string server = caller.server();
  caller.Finish();
  return server;
}

inline bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
inline bool IsChanged(const std::string& said) {
  return said.starts_with("INTERNAL: [INVALID_HANDLE.SESSION_CHANGED]");
}
inline bool IsClosed(const std::string& said) { return said.starts_with("INTERNAL: [INVALID_HANDLE.SESSION_CLOSED]"); }

}  // namespace sgw::core::testing
