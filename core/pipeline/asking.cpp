#include "core/pipeline/asking.h"

#include <chrono>

#include "core/worker/worker.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

Status TooLate(const Pipeline::Step& step) {
  const std::string& name = step.instance->name();
  if (step.config.create) return FailedPrecondition("No server could be made in time (step '" + name + "').");
  return Unavailable("The step '" + name + "' does not answer.", RetryIn(5s));
}

}  // namespace

struct Asking::State {
  State(const Steps& in, AskStep how, Decide then) : steps(in), ask(std::move(how)), decide(std::move(then)) {}

  const Steps& steps;
  const AskStep ask;
  const Decide decide;
  Ask pending;
  Timer limit;
  std::size_t at = 0;
  bool is_over = false;
  bool is_asking = false;  // inside ask(): an answer would come in line
  bool has_answer = false;
  PluginAnswer answer;
  steady_clock::time_point asked;
};

std::unique_ptr<Run> Asking::Begin(const Steps& steps, AskStep ask, Decide decide) {
  const auto state = std::make_shared<State>(steps, std::move(ask), std::move(decide));
  std::unique_ptr<Run> run(new Asking(state));
  Continue(state);
  return run;
}

Asking::~Asking() {
  state_->is_over = true;
  state_->limit.Cancel();
  state_->pending.Cancel();
}

// Answers may come in line, so this is a loop and no recursion.
void Asking::Continue(const StatePtr& state) {
  while (!state->is_over) {
    if (state->at == state->steps.size()) {
      state->is_over = true;
      state->decide(Next{}, nullptr);
      return;
    }
    const Pipeline::Step& step = state->steps[state->at];
    state->has_answer = false;
    state->is_asking = true;
    state->asked = steady_clock::now();
    Ask pending = state->ask(step, [weak = std::weak_ptr(state), instance = step.instance](PluginAnswer answer) {
      const StatePtr self = weak.lock();
      if (self && !self->is_over) return OnAnswer(self, std::move(answer));
      // It was on its way when nobody waited any more.
      if (auto* lease = std::get_if<Lease>(&answer)) instance->Release(lease->id, LeaseOutcome::kUnclaimed);
    });
    state->is_asking = false;
    if (!state->has_answer) {
      state->pending = std::move(pending);
      state->limit = Worker::Current()->StartTimer(step.config.create ? step.config.give_up : step.config.hold,
                                                   [weak = std::weak_ptr(state)] {
                                                     if (const StatePtr self = weak.lock()) OnLate(self);
                                                   });
      return;
    }
    if (!Conclude(state)) return;
  }
}

void Asking::OnAnswer(const StatePtr& state, PluginAnswer answer) {
  state->answer = std::move(answer);
  state->has_answer = true;
  if (state->is_asking) return;
  state->pending.Forget();
  state->limit.Cancel();
  if (Conclude(state)) Continue(state);
}

void Asking::OnLate(const StatePtr& state) {
  state->pending.Cancel();
  state->answer = TooLate(state->steps[state->at]);
  if (Conclude(state)) Continue(state);
}

// True: the next step is to be asked.
bool Asking::Conclude(const StatePtr& state) {
  const Pipeline::Step& step = state->steps[state->at];
  step.duration->Observe(std::chrono::duration<double>(steady_clock::now() - state->asked).count());
  if (!std::holds_alternative<Next>(state->answer)) {
    if (std::holds_alternative<Status>(state->answer)) step.refusals->Add(1);
    if (state->decide(std::move(state->answer), &step)) state->is_over = true;
  }
  ++state->at;
  return !state->is_over;
}

}  // namespace sgw::core
