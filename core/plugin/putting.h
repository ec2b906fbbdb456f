// How an instance puts a question through the boundary. For sources of this room.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "core/plugin/host.h"
#include "core/plugin/instance.h"

namespace sgw::core {

// What is being thrown, for people. In a handler.
inline std::string Thrown() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

// A text sink that appends to a std::string, at most 64 MiB.
inline void AppendText(void* context, sgw_view view) {
  auto& text = *static_cast<std::string*>(context);
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
  if (view.data && view.size <= kMaxBytes - std::min(text.size(), kMaxBytes)) text.append(view.data, view.size);
}

template <typename Call>
Ask Instance::Put(const char* phase, std::size_t kind, AnswerFn done, Call call, PhaseFn on_phase) {
  AskTable& asks = services_.asks;
  Worker* const worker = Worker::Current();
  const sgw_ask ask = asks.Open(host_->owner, kind, worker ? *worker : services_.control, std::move(on_phase));
  if (ask == 0) {
    done(Unavailable("Too many calls wait for the step '" + name_ + "'."));
    return {};
  }
  constexpr std::int32_t kThrew = -1;
  std::int32_t verdict = kThrew;
  try {
    const CrashMarker marker(library_->file(), phase, name_);
    verdict = call(ask);
  } catch (...) {
    asks.Count(host_->owner, "threw");
  }
  PluginAnswer answer;
  if (!asks.Settle(ask, verdict, done, answer)) return Ask(this, ask);
  if (verdict != SGW_ANSWERED && verdict != SGW_PENDING) {
    // It answered and then failed: what it said is not to be trusted.
    if (const auto* lease = std::get_if<Lease>(&answer)) Release(lease->id, LeaseOutcome::kUnclaimed);
    answer = Internal("the plugin failed inside");
  }
  done(std::move(answer));
  return {};
}

}  // namespace sgw::core
