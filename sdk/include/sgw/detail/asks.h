// Questions of the host that wait for an answer, and how each kind of answer is given.
#pragma once

#include <sgw/answers.h>
#include <sgw/call.h>
#include <sgw/detail/link.h>
#include <sgw/detail/raw.h>
#include <sgw/session_store.h>

#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sgw::detail {

inline Status Misanswer(std::string_view what) { return Internal("the plugin answered " + std::string(what)); }

// Each Send gives one answer to the host; a value that makes no sense becomes INTERNAL.
inline void Send(const sgw_host_table& table, sgw_host* host, sgw_ask ask, const Status& status) {
  const sgw_status raw = Raw(status);
  table.answer_done(host, ask, &raw);
}

template <typename RawAnswer>
using AnswerFunction = void (*)(sgw_host*, sgw_ask, const RawAnswer*);

template <typename RawAnswer>
void SendStatus(AnswerFunction<RawAnswer> give, sgw_host* host, sgw_ask ask, const Status& why) {
  const Status status = why.ok() ? Misanswer("OK without a value") : why;
  const sgw_status raw = Raw(status);
  RawAnswer answer{};
  answer.size = sizeof(answer);
  answer.answer = SGW_ANSWER_STATUS;
  answer.status = &raw;
  give(host, ask, &answer);
}

template <typename RawAnswer>
void SendNext(AnswerFunction<RawAnswer> give, sgw_host* host, sgw_ask ask) {
  RawAnswer answer{};
  answer.size = sizeof(answer);
  answer.answer = SGW_ANSWER_NEXT;
  give(host, ask, &answer);
}

inline void Send(const sgw_host_table& table, sgw_host* host, sgw_ask ask, const AuthAnswer& answer) {
  const auto give = table.answer_auth;
  if (answer.is_next()) return SendNext(give, host, ask);
  Identity claimed;
  const Identity* identity = answer.get<Identity>();
  const Lapsed* lapsed = answer.get<Lapsed>();
  if (lapsed && !lapsed->refusal.ok()) identity = &lapsed->identity;
  if (const auto* as_claimed = answer.get<AsClaimed>()) {
    claimed.subject = as_claimed->default_subject;
    claimed.is_as_claimed = true;
    identity = &claimed;
  } else if (!identity) {
    return SendStatus(give, host, ask,
                      lapsed ? Misanswer("with a lapsed identity without a refusal") : answer.status());
  } else if (identity->subject.empty()) {
    return SendStatus(give, host, ask, Misanswer("with an identity without a subject"));
  }
  const RawIdentity owned(*identity);
  sgw_identity raw = owned.get();
  raw.as_claimed = identity == &claimed ? 1 : 0;
  const sgw_status refusal = lapsed ? Raw(lapsed->refusal) : sgw_status{};
  const sgw_auth_answer out = {sizeof(out), SGW_ANSWER_VALUE, &raw, nullptr, lapsed ? &refusal : nullptr};
  give(host, ask, &out);
}

inline void Send(const sgw_host_table& table, sgw_host* host, sgw_ask ask, const RouterAnswer& answer) {
  const auto give = table.answer_router;
  if (answer.is_next()) return SendNext(give, host, ask);
  const Route* route = answer.get<Route>();
  if (!route) return SendStatus(give, host, ask, answer.status());
  const RawRoute owned(*route);
  const sgw_route raw = owned.get();
  const sgw_router_answer out = {sizeof(out), SGW_ANSWER_VALUE, &raw, nullptr};
  give(host, ask, &out);
}

inline void Send(const sgw_host_table& table, sgw_host* host, sgw_ask ask, const PoolAnswer& answer) {
  const auto give = table.answer_pool;
  if (answer.is_next()) return SendNext(give, host, ask);
  const Lease* lease = answer.get<Lease>();
  if (!lease) return SendStatus(give, host, ask, answer.status());
  if (lease->id.empty() || lease->id.size() > 256) {
    return SendStatus(give, host, ask, Misanswer("with a lease whose id is not 1 to 256 bytes long"));
  }
  if (lease->endpoint.address.empty()) return SendStatus(give, host, ask, Misanswer("with a lease without an address"));
  const RawEndpoint endpoint(lease->endpoint);
  const sgw_lease raw = {sizeof(raw), 0, View(lease->id), endpoint.get()};
  const sgw_pool_answer out = {sizeof(out), SGW_ANSWER_VALUE, &raw, nullptr};
  give(host, ask, &out);
}

inline void Send(const sgw_host_table& table, sgw_host* host, sgw_ask ask, const Result<Lease>& answer) {
  Send(table, host, ask, PoolAnswer(answer));
}

inline void Send(const sgw_host_table& table, sgw_host* host, sgw_ask ask, const DiscoveryAnswer& answer) {
  const auto give = table.answer_discovery;
  if (answer.is_next()) return SendNext(give, host, ask);
  const EndpointSnapshot* snapshot = answer.get<EndpointSnapshot>();
  if (!snapshot) return SendStatus(give, host, ask, answer.status());
  if (!*snapshot) return SendStatus(give, host, ask, Misanswer("with a snapshot that the host did not make"));
  const sgw_discovery_answer out = {sizeof(out), SGW_ANSWER_VALUE, snapshot->handle(), nullptr};
  give(host, ask, &out);
}

inline void Send(const sgw_host_table& table, sgw_host* host, sgw_ask ask,
                 const Result<SessionStore::Binding>& answer) {
  const auto give = table.answer_session;
  if (!answer) return SendStatus(give, host, ask, answer.status());
  if (!*answer) return SendNext(give, host, ask);
  const sgw_session_answer out = {sizeof(out), SGW_ANSWER_VALUE, View(**answer), nullptr};
  give(host, ask, &out);
}

// The questions of one instance that were promised an answer.
class PendingAsks {
 public:
  void Add(sgw_ask ask, const std::shared_ptr<CompletionState>& state) {
    const std::lock_guard lock(mutex_);
    asks_[ask] = state;
  }
  void Remove(sgw_ask ask) {
    const std::lock_guard lock(mutex_);
    asks_.erase(ask);
  }
  void Cancel(sgw_ask ask) {
    std::shared_ptr<CompletionState> state;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = asks_.find(ask); found != asks_.end()) state = found->second.lock();
    }
    if (state) state->Cancel();
  }
  void FailAll(const Status& why) {
    std::unordered_map<sgw_ask, std::weak_ptr<CompletionState>> asks;
    {
      const std::lock_guard lock(mutex_);
      asks.swap(asks_);
    }
    for (const auto& [ask, weak] : asks) {
      if (const auto state = weak.lock()) state->Fail(why);
    }
  }

 private:
  std::mutex mutex_;  // Guards asks_.
  std::unordered_map<sgw_ask, std::weak_ptr<CompletionState>> asks_;
};

// The completion that answers `ask`. It may be used for ever; without the instance it has no effect.
template <typename A>
Completion<A> MakeCompletion(const std::shared_ptr<Link>& link, const std::shared_ptr<PendingAsks>& pending,
                             sgw_ask ask) {
  Completion<A> done(
      [link, pending, ask](A answer) {
        pending->Remove(ask);
        link->WithHost([&](const sgw_host_table& table, sgw_host* host) { Send(table, host, ask, answer); });
      },
      [link](const char* reason) { link->Misused(reason); });
  pending->Add(ask, done.state());
  return done;
}

// One question while the plugin is being asked.
template <typename A>
class Asking final : public Deferrer<A> {
 public:
  Asking(std::shared_ptr<Link> link, std::shared_ptr<PendingAsks> pending, sgw_ask ask)
      : link_(std::move(link)), pending_(std::move(pending)), ask_(ask) {}

  Completion<A> Defer() override {
    if (!done_) done_ = MakeCompletion<A>(link_, pending_, ask_);
    return *done_;
  }
  void ReportPhase(std::string_view phase) override { Reporter()(phase); }
  PhaseReport Reporter() const {
    return PhaseReport([link = link_, ask = ask_](std::string_view phase) {
      link->WithHost([&](const sgw_host_table& table, sgw_host* host) { table.report_phase(host, ask, View(phase)); });
    });
  }

  // Asks, gives the answer when there is one, and says what the ask function returns.
  template <typename F>
  std::int32_t Run(const char* where, F question) noexcept {
    try {
      const A answer = question(*this);
      if (!answer.is_pending()) return Give(answer);
      if (done_) return SGW_PENDING;
      return Give(A(Misanswer("that it is pending, but had not deferred")));
    } catch (const std::exception& error) {
      link_->Thrown(where, error.what());
    } catch (...) {
      link_->Thrown(where, "something that is no std::exception");
    }
    try {
      const Status why = Internal("the plugin failed inside (an exception)");
      if (!done_) return Give(A(why));
      done_->state()->Fail(why);  // Unless it had answered before.
      return SGW_PENDING;
    } catch (...) {
      return -1;  // Out of memory: the host ends the call with INTERNAL.
    }
  }

 private:
  std::int32_t Give(const A& answer) {
    if (done_) {  // It promised an answer as well; whichever comes first counts.
      (*done_)(answer);
      return SGW_PENDING;
    }
    Send(*link_->table(), link_->host(), ask_, answer);
    return SGW_ANSWERED;
  }

  std::shared_ptr<Link> link_;
  std::shared_ptr<PendingAsks> pending_;
  sgw_ask ask_;
  std::optional<Completion<A>> done_;
};

}  // namespace sgw::detail
