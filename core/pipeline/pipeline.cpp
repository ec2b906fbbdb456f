#include "core/pipeline/pipeline.h"

#include "core/worker/worker.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// Asks one step after another until one does not say Next. Answers may come in line, so the loop is not a recursion.
class Asking : public Run {
 public:
  // Asks one step.
  using AskStep = std::function<Ask(const Pipeline::Step&, AnswerFn)>;
  // Hears the deciding answer; `step` is null with Next when no step decided. True: this answer does not decide either.
  using Decide = std::function<bool(PluginAnswer, const Pipeline::Step*)>;

  Asking(const std::vector<Pipeline::Step>& steps, MetricsRegistry& metrics, AskStep ask, Decide decide)
      : state_(std::make_shared<State>(steps, metrics, std::move(ask), std::move(decide))) {}
  ~Asking() override {
    state_->is_over = true;
    state_->pending.Cancel();
  }

  static std::unique_ptr<Run> Begin(const std::vector<Pipeline::Step>& steps, MetricsRegistry& metrics, AskStep ask,
                                    Decide decide) {
    auto run = std::make_unique<Asking>(steps, metrics, std::move(ask), std::move(decide));
    const auto state = run->state_;
    Continue(state);
    return run;
  }

 private:
  struct State {
    State(const std::vector<Pipeline::Step>& of, MetricsRegistry& registry, AskStep how, Decide then)
        : steps(of), metrics(registry), ask(std::move(how)), decide(std::move(then)) {}
    const std::vector<Pipeline::Step>& steps;
    MetricsRegistry& metrics;
    AskStep ask;
    Decide decide;
    Ask pending;
    Timer hold;
    std::size_t at = 0;
    bool is_over = false;
    bool is_asking = false;  // inside ask(): an answer is in line
    bool has_answer = false;
    PluginAnswer answer;
    steady_clock::time_point asked;
  };
  using StatePtr = std::shared_ptr<State>;

  static void Continue(const StatePtr& state) {
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
      Ask pending = state->ask(step, [weak = std::weak_ptr(state)](PluginAnswer answer) {
        if (const StatePtr self = weak.lock()) OnAnswer(self, std::move(answer));
      });
      state->is_asking = false;
      if (!state->has_answer) {
        state->pending = std::move(pending);
        const auto limit = step.config.create ? step.config.give_up : step.config.hold;
        state->hold = Worker::Current()->StartTimer(limit, [weak = std::weak_ptr(state)] {
          if (const StatePtr self = weak.lock()) OnLate(self);
        });
        return;
      }
      if (!Conclude(state)) return;
    }
  }

  static void OnAnswer(const StatePtr& state, PluginAnswer answer) {
    state->answer = std::move(answer);
    state->has_answer = true;
    if (state->is_asking || state->is_over) return;
    state->pending.Forget();
    state->hold.Cancel();
    if (Conclude(state)) Continue(state);
  }

  static void OnLate(const StatePtr& state) {
    state->pending.Cancel();
    const Pipeline::Step& step = state->steps[state->at];
    state->answer = step.config.create
                        ? FailedPrecondition("No server could be made in time (step '" + step.instance->name() + "').")
                        : Unavailable("The step '" + step.instance->name() + "' does not answer.", RetryIn(5s));
    if (Conclude(state)) Continue(state);
  }

  // True: go on with the next step.
  static bool Conclude(const StatePtr& state) {
    const Pipeline::Step& step = state->steps[state->at];
    state->metrics
        .Histogram("spark_gateway_step_duration_seconds", "How long a step took to answer.",
                   {{"step", step.instance->name()}})
        .Observe(std::chrono::duration<double>(steady_clock::now() - state->asked).count());
    if (!std::holds_alternative<Next>(state->answer)) {
      if (std::holds_alternative<Status>(state->answer)) {
        state->metrics
            .Counter("spark_gateway_step_refusals_total", "Calls that a step refused.",
                     {{"step", step.instance->name()}})
            .Add(1);
      }
      if (!state->decide(std::move(state->answer), &step)) {
        state->is_over = true;
        return false;
      }
    }
    ++state->at;
    return !state->is_over;
  }

  const StatePtr state_;
};

Status Unexpected(const Pipeline::Step& step) {
  return Internal("The step '" + step.instance->name() + "' gave an answer that makes no sense.");
}

}  // namespace

Pipeline::Pipeline(const Config& config, std::shared_ptr<Generation> generation, MetricsRegistry& metrics)
    : generation_(std::move(generation)), metrics_(metrics) {
  for (const StepConfig& step : config.pipeline) {
    for (const std::string& name : step.instances) {
      Instance* instance = generation_->Find(name);
      switch (step.kind) {
        case StepKind::kAuth:
          auth_.push_back({step, instance});
          break;
        case StepKind::kRouter:
          router_.push_back({step, instance});
          break;
        case StepKind::kHotPool:
        case StepKind::kDiscovery:
          endpoint_.push_back({step, instance});
          if (step.create) hold_ = step.hold;
          break;
        case StepKind::kAudit:
          audits_.push_back(instance);
          if (instance->tag().has("admit")) admitters_.push_back({step, instance});
          break;
        case StepKind::kMetrics:
          if (!renderer_) renderer_ = instance;
          break;
        case StepKind::kSessionStore:
          break;
      }
    }
  }
}

std::unique_ptr<Run> Pipeline::Authenticate(CallContext& context, Done done) const {
  return Asking::Begin(
      auth_, metrics_,
      [&context](const Step& step, AnswerFn answer) {
        return step.instance->Authenticate(*context.facts, std::move(answer));
      },
      [this, &context, done = std::move(done)](PluginAnswer answer, const Step* step) {
        if (!step) {
          context.refused_by = "auth";
          std::string host(context.facts->authority());
          done(Unauthenticated("No credential that this gateway knows was sent. Use sc://" +
                               (host.empty() ? "HOST:PORT" : host) +
                               "/;token=<token> (with use_ssl=true on a TLS port)."));
          return false;
        }
        if (auto* identity = std::get_if<Identity>(&answer)) {
          if (auth_.size() > 1) identity->realm = step->instance->name();
          context.identity = std::move(*identity);
          done(Status());
          return false;
        }
        context.refused_by = step->instance->name();
        auto* status = std::get_if<Status>(&answer);
        done(status ? std::move(*status) : Unexpected(*step));
        return false;
      });
}

std::unique_ptr<Run> Pipeline::FindRoute(CallContext& context, Done done) const {
  if (router_.empty()) {
    done(Status());
    return nullptr;
  }
  return Asking::Begin(
      router_, metrics_,
      [&context](const Step& step, AnswerFn answer) {
        return step.instance->Route(*context.facts, *context.identity, std::move(answer));
      },
      [&context, done = std::move(done)](PluginAnswer answer, const Step* step) {
        if (step) {
          if (auto* route = std::get_if<Route>(&answer)) {
            context.route = std::move(*route);
            done(Status());
            return false;
          }
        }
        context.refused_by = step ? step->instance->name() : "router";
        auto* status = std::get_if<Status>(&answer);
        done(status ? std::move(*status)
             : step ? Unexpected(*step)
                    : FailedPrecondition("No router of this gateway knows where this call belongs."));
        return false;
      });
}

std::unique_ptr<Run> Pipeline::FindEndpoint(EndpointRequest request, std::function<void(Result<Found>)> done) const {
  auto shared = std::make_shared<EndpointRequest>(std::move(request));
  auto is_known = std::make_shared<bool>(false);
  return Asking::Begin(
      endpoint_, metrics_,
      [shared](const Step& step, AnswerFn answer) {
        if (step.config.kind == StepKind::kDiscovery) {
          return step.instance->Resolve(*shared->facts, shared->identity.get(), shared->route, std::move(answer));
        }
        if (shared->is_without_session) {
          answer(Next{});
          return Ask();
        }
        static const Identity nobody;
        return step.instance->Acquire({*shared->facts, shared->identity ? *shared->identity : nobody, shared->route,
                                       shared->key, step.config.create, shared->on_phase},
                                      std::move(answer));
      },
      [shared, is_known, done = std::move(done)](PluginAnswer answer, const Step* step) {
        const std::string where = shared->route.namespace_.empty() ? "this gateway" : shared->route.namespace_;
        if (!step) {
          done(*is_known ? Unavailable("No server in " + where + " is ready.", RetryIn(5s))
                         : FailedPrecondition("There are no Spark servers in " + where +
                                              ", and none may be made. Ask its team."));
          return false;
        }
        if (auto* lease = std::get_if<Lease>(&answer)) {
          done(Found{std::move(lease->endpoint), std::move(lease->id), step->instance});
          return false;
        }
        if (auto* snapshot = std::get_if<Snapshot>(&answer)) {
          *is_known = true;
          auto chosen = shared->choose(**snapshot);
          if (!chosen) return true;  // known, but nothing is ready: a later step may make one
          done(Found{*std::move(chosen), "", step->instance});
          return false;
        }
        auto* status = std::get_if<Status>(&answer);
        done(status ? std::move(*status) : Unexpected(*step));
        return false;
      });
}

std::unique_ptr<Run> Pipeline::Admit(const sgw_record& record, Done done) const {
  return Asking::Begin(
      admitters_, metrics_,
      [&record](const Step& step, AnswerFn answer) { return step.instance->Admit(record, std::move(answer)); },
      [done = std::move(done)](PluginAnswer answer, const Step* step) {
        if (!step) {
          done(Status());
          return false;
        }
        if (std::holds_alternative<core::Done>(answer)) return true;  // every audit has a say
        auto* status = std::get_if<Status>(&answer);
        done(status ? std::move(*status) : Unexpected(*step));
        return false;
      });
}

void Pipeline::Record(const sgw_record& record) const {
  for (Instance* audit : audits_) audit->Record(record);
}

void CheckPipeline(const Config& config, const InspectedPlugins& plugins, Complaints& complaints) {
  std::string closed_by[7];
  for (std::size_t i = 0; i < config.pipeline.size(); ++i) {
    const StepConfig& step = config.pipeline[i];
    const std::string where = "pipeline[" + std::to_string(i) + "]: ";
    for (const std::string& name : step.instances) {
      const auto found = plugins.find(name);
      if (found == plugins.end()) continue;
      const Tag& tag = found->second.library->tag();
      if (tag.kind != step.kind) {
        complaints.Error(step.place, where + "'" + name + "' is a plugin of the kind " + KindName(tag.kind) + " (" +
                                         tag.name + "), the step is of the kind " + KindName(step.kind));
        continue;
      }
      if (step.create && !tag.has("create")) {
        complaints.Error(step.place,
                         where + "'" + name + "' (" + tag.name + ") makes no servers; leave out `create: true`");
      }
      const bool is_observer = step.kind == StepKind::kAudit || step.kind == StepKind::kMetrics;
      if (is_observer) continue;
      // Where servers come from is one row of steps over two kinds.
      const bool is_endpoint = step.kind == StepKind::kHotPool || step.kind == StepKind::kDiscovery;
      std::string& closed = closed_by[static_cast<std::size_t>(is_endpoint ? StepKind::kDiscovery : step.kind)];
      if (!closed.empty() && !(is_endpoint && step.create)) {
        complaints.Error(step.place,
                         where + "'" + name + "' is never asked: '" + closed + "' before it always decides");
      }
      if (!tag.has("next")) closed = name;
    }
  }
}

}  // namespace sgw::core
