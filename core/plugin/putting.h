// How an instance puts a question through the boundary. For sources of this room.
#pragma once

#include <string>
#include <utility>

#include "core/plugin/host.h"
#include "core/plugin/instance.h"

namespace sgw::core {

template <typename Call>
Ask Instance::Put(const char* phase, std::size_t kind, AnswerFn done, Call call, PhaseFn on_phase) {
  AskTable& asks = services_.asks;
  Worker* const worker = Worker::Current();
  const sgw_ask ask = asks.Open(life(), kind, worker ? *worker : services_.control, std::move(on_phase));
  if (ask == 0) {
    done(Unavailable("Too many calls wait for the step '" + name_ + "'."));
    return {};
  }
  std::int32_t verdict = -1;
  std::string what;
  life().Enter(
      phase, [&] { verdict = call(ask); }, &what);
  PluginAnswer answer;
  if (!asks.Settle(ask, verdict, done, answer)) return Ask(this, ask);
  if (verdict != SGW_ANSWERED && verdict != SGW_PENDING) {
    // It answered and then failed: what it said is not to be trusted.
    if (const auto* lease = std::get_if<Lease>(&answer)) Release(lease->id, LeaseOutcome::kUnclaimed);
    // What was thrown is for operators, who read it before the instance serves; callers come afterwards.
    answer = Internal(state_ == State::kServing || what.empty() ? "the plugin failed inside" : what);
  }
  done(std::move(answer));
  return {};
}

}  // namespace sgw::core
