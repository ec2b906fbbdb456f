#include "core/pipeline/asking.h"

#include <chrono>

namespace sgw::core {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

Status TooLate(const Pipeline::Step& step) {
  const std::string& name = step.instance->name();
  if (step.config.create) return FailedPrecondition(std::string(kNotMadeInTime) + " (step '" + name + "').");
  return Unavailable("The step '" + name + "' does not answer.", RetryIn(5s));
}

}  // namespace

std::unique_ptr<Run> Asking::Begin(const Steps& steps, AskStep ask, Decide decide) {
  auto asking = std::make_shared<Asking>(steps, std::move(ask), std::move(decide));
  auto run = std::make_unique<RunOf<Asking>>(asking);
  asking->Continue();
  return run;
}

void Asking::Drop() {
  is_over_ = true;
  limit_.Cancel();
  pending_.Cancel();
}

// Answers may come in line, so this is a loop and no recursion.
void Asking::Continue() {
  while (!is_over_) {
    if (at_ == steps_.size()) {
      is_over_ = true;
      decide_(Next{}, nullptr);
      return;
    }
    const Pipeline::Step& step = steps_[at_];
    has_answer_ = false;
    is_asking_ = true;
    asked_ = steady_clock::now();
    Ask pending = ask_(step, [weak = weak_from_this(), instance = step.instance](PluginAnswer&& answer) {
      const auto self = weak.lock();
      if (self && !self->is_over_) return self->OnAnswer(std::move(answer));
      // It was on its way when nobody waited any more.
      if (auto* lease = std::get_if<Lease>(&answer)) instance->Release(lease->id, LeaseOutcome::kUnclaimed);
    });
    is_asking_ = false;
    if (!has_answer_) {
      pending_ = std::move(pending);
      limit_ = Worker::Current()->StartTimer(step.config.create ? step.config.give_up : step.config.hold,
                                             [weak = weak_from_this()] {
                                               if (const auto self = weak.lock()) self->OnLate();
                                             });
      return;
    }
    if (!Conclude()) return;
  }
}

void Asking::OnAnswer(PluginAnswer&& answer) {
  answer_ = std::move(answer);
  has_answer_ = true;
  if (is_asking_) return;
  pending_.Forget();
  limit_.Cancel();
  if (Conclude()) Continue();
}

void Asking::OnLate() {
  pending_.Cancel();
  answer_ = TooLate(steps_[at_]);
  if (Conclude()) Continue();
}

// True: the next step is to be asked.
bool Asking::Conclude() {
  const Pipeline::Step& step = steps_[at_];
  step.duration->Observe(std::chrono::duration<double>(steady_clock::now() - asked_).count());
  if (!std::holds_alternative<Next>(answer_)) {
    if (std::holds_alternative<Status>(answer_)) step.refusals->Add(1);
    if (decide_(std::move(answer_), &step)) is_over_ = true;
    answer_ = {};  // what nobody took of it would live as long as the call
  }
  ++at_;
  return !is_over_;
}

}  // namespace sgw::core
