// Asking: one question put to the steps of a kind, one after another. For sources of this room.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/pipeline/pipeline.h"

namespace sgw::core {

class Asking final : public Run {
 public:
  using Steps = std::vector<Pipeline::Step>;
  // Puts the question to one step.
  using AskStep = std::function<Ask(const Pipeline::Step&, AnswerFn)>;
  // Hears each answer but Next, with its step, and returns whether it decides. When no answer did, it hears Next with
  // no step, once.
  using Decide = std::function<bool(PluginAnswer, const Pipeline::Step*)>;

  // Asks until an answer decides, which may be before this returns. On a worker. The steps outlive the Run.
  static std::unique_ptr<Run> Begin(const Steps& steps, AskStep ask, Decide decide);
  ~Asking() override;

 private:
  struct State;
  using StatePtr = std::shared_ptr<State>;

  explicit Asking(StatePtr state) : state_(std::move(state)) {}
  static void Continue(const StatePtr& state);
  static void OnAnswer(const StatePtr& state, PluginAnswer answer);
  static void OnLate(const StatePtr& state);
  static bool Conclude(const StatePtr& state);

  const StatePtr state_;
};

}  // namespace sgw::core
