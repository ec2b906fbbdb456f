// Asking: one question put to the steps of a kind, one after another. For sources of this room.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/pipeline/pipeline.h"
#include "core/worker/worker.h"

namespace sgw::core {

class Asking final : public std::enable_shared_from_this<Asking> {
 public:
  using Steps = std::vector<Pipeline::Step>;
  // Puts the question to one step.
  using AskStep = std::function<Ask(const Pipeline::Step&, AnswerFn)>;
  // Hears each answer but Next, with its step, and returns whether it decides. When no answer did, it hears Next with
  // no step, once.
  using Decide = std::function<bool(PluginAnswer&&, const Pipeline::Step*)>;

  // Asks until an answer decides, which may be before this returns. On a worker. The steps outlive the Run.
  static std::unique_ptr<Run> Begin(const Steps& steps, AskStep ask, Decide decide);

  Asking(const Steps& steps, AskStep ask, Decide decide)
      : steps_(steps), ask_(std::move(ask)), decide_(std::move(decide)) {}
  // Nobody wants the answer any more.
  void Drop();

 private:
  void Continue();
  void OnAnswer(PluginAnswer&& answer);
  void OnLate();
  bool Conclude();

  const Steps& steps_;
  const AskStep ask_;
  const Decide decide_;
  Ask pending_;
  Timer limit_;
  std::size_t at_ = 0;
  bool is_over_ = false;
  bool is_asking_ = false;  // inside ask_(): an answer would come in line
  bool has_answer_ = false;
  PluginAnswer answer_;
  SteadyTime asked_;
};

}  // namespace sgw::core
