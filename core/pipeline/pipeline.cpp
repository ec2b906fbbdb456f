#include "core/pipeline/pipeline.h"

#include <algorithm>
#include <atomic>

#include "core/pipeline/asking.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

Series& RefusalsOf(MetricsRegistry& metrics, const std::string& step) {
  return metrics.Counter("spark_gateway_step_refusals_total", "Questions of calls that a step refused.",
                         {{"step", step}});
}

Pipeline::Step StepOf(const StepConfig& config, Instance& instance, MetricsRegistry& metrics) {
  return {config, &instance,
          &metrics.Histogram("spark_gateway_step_duration_seconds", "How long a step took to answer.",
                             {{"step", instance.name()}}),
          &RefusalsOf(metrics, instance.name())};
}

std::uint64_t NextNumber() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// What a caller hears of an answer that is no value of the step's kind.
Status RefusalIn(PluginAnswer& answer, const Pipeline::Step& step) {
  if (auto* status = std::get_if<Status>(&answer); status && !status->ok()) return std::move(*status);
  return Internal("The step '" + step.instance->name() + "' gave an answer that makes no sense.");
}

}  // namespace

Pipeline::Pipeline(const Config& config, std::shared_ptr<Generation> generation, MetricsRegistry& metrics)
    : generation_(std::move(generation)),
      number_(NextNumber()),
      nobody_knew_(RefusalsOf(metrics, "auth")),
      nobody_routed_(RefusalsOf(metrics, "router")),
      nobody_had_(RefusalsOf(metrics, "discovery")),
      remembered_identities_(metrics.Counter("spark_gateway_remembered_identities_total",
                                             "Calls whose connection remembered who they are of.")) {
  std::chrono::milliseconds longest{};
  std::chrono::milliseconds longest_create{};
  for (const StepConfig& step : config.pipeline) {
    for (const std::string& name : step.instances) {
      Instance& instance = *generation_->Find(name);
      switch (step.kind) {
        case StepKind::kAuth:
          if (remembered_ == auth_.size() && instance.tag().has("remembered")) ++remembered_;
          auth_.push_back(StepOf(step, instance, metrics));
          break;
        case StepKind::kRouter: router_.push_back(StepOf(step, instance, metrics)); break;
        case StepKind::kDiscovery: discoveries_.push_back(StepOf(step, instance, metrics)); [[fallthrough]];
        case StepKind::kHotPool:
          endpoint_.push_back(StepOf(step, instance, metrics));
          longest = std::max(longest, step.hold);
          if (step.create) longest_create = std::max(longest_create, step.hold);
          break;
        case StepKind::kAudit:
          audits_.push_back(&instance);
          if (instance.tag().has("admit")) admitters_.push_back(StepOf(step, instance, metrics));
          break;
        case StepKind::kMetrics:
          if (!renderer_) renderer_ = &instance;
          break;
        case StepKind::kSessionStore: break;
      }
    }
  }
  hold_ = longest_create.count() > 0 ? longest_create : longest;
}

// Each count only grows, so that their sum stands for all of them.
Remembered::Asked Pipeline::AskedNow() const {
  std::uint64_t forgotten = 0;
  for (std::size_t i = 0; i < remembered_; ++i) forgotten += auth_[i].instance->identities_forgotten();
  return {number_, forgotten};
}

std::unique_ptr<Run> Pipeline::Authenticate(CallContext& context, Done done) const {
  const Remembered::Asked asked = AskedNow();
  if (Remembered* const known = context.remembered.get(); known && known->Knows(*context.facts, asked)) {
    context.identity = known->identity();
    context.only_bound = known->only_bound();
    remembered_identities_.Add(1);
    done(Status());
    return nullptr;
  }
  return Asking::Begin(
      auth_,
      [&context](const Step& step, AnswerFn answer) {
        return step.instance->Authenticate(*context.facts, std::move(answer));
      },
      [this, &context, asked, done = std::move(done)](PluginAnswer&& answer, const Step* step) {
        if (!step) {
          nobody_knew_.Add(1);
          context.refused_by = "auth";
          const std::string host(context.facts->authority());
          done(Unauthenticated("No credential that this gateway knows was sent. Use sc://" +
                               (host.empty() ? "HOST:PORT" : host) +
                               "/;token=<token> (with use_ssl=true on a TLS port)."));
          return true;
        }
        auto* identity = std::get_if<Identity>(&answer);
        if (auto* lapsed = std::get_if<Lapsed>(&answer)) {
          identity = &lapsed->identity;
          context.only_bound = std::move(lapsed->refusal);
        }
        if (identity && identity->expiry && *identity->expiry <= context.facts->received) {
          answer = Unauthenticated("Your credential has ended. Connect again with a new one.");
          identity = nullptr;
        }
        if (identity) {
          if (auth_.size() > 1) identity->realm = step->instance->name();
          context.identity = std::make_shared<const Identity>(std::move(*identity));
          const auto place = static_cast<std::size_t>(step - auth_.data());
          if (context.remembered && place < remembered_) {
            context.remembered->Keep(*context.facts, asked, context.identity, context.only_bound);
          }
          done(Status());
          return true;
        }
        context.refused_by = step->instance->name();
        done(RefusalIn(answer, *step));
        return true;
      });
}

std::unique_ptr<Run> Pipeline::FindRoute(CallContext& context, Done done) const {
  if (router_.empty()) {
    done(Status());
    return nullptr;
  }
  return Asking::Begin(
      router_,
      [&context](const Step& step, AnswerFn answer) {
        return step.instance->Route(*context.facts, *context.identity, std::move(answer));
      },
      [this, &context, done = std::move(done)](PluginAnswer&& answer, const Step* step) {
        if (!step) {
          nobody_routed_.Add(1);
          context.refused_by = "router";
          done(FailedPrecondition("No router of this gateway knows where this call belongs."));
          return true;
        }
        if (auto* route = std::get_if<Route>(&answer)) {
          // What a Route is made from is written down; a credential never is.
          std::erase_if(route->made_from, [](const std::string& name) { return IsCredential(name); });
          context.route = std::make_shared<const Route>(std::move(*route));
          done(Status());
          return true;
        }
        context.refused_by = step->instance->name();
        done(RefusalIn(answer, *step));
        return true;
      });
}

std::unique_ptr<Run> Pipeline::FindEndpoint(EndpointRequest request, std::function<void(Result<Found>)> done) const {
  const Asking::Steps& steps = request.is_without_session ? discoveries_ : endpoint_;
  auto shared = std::make_shared<const EndpointRequest>(std::move(request));
  return Asking::Begin(
      steps,
      [shared](const Step& step, AnswerFn answer) {
        if (step.config.kind == StepKind::kDiscovery) {
          return step.instance->Resolve(*shared->facts, shared->identity.get(), *shared->route, std::move(answer));
        }
        static const Identity nobody;
        return step.instance->Acquire({*shared->facts, shared->identity ? *shared->identity : nobody, *shared->route,
                                       shared->key, step.config.create, shared->on_phase},
                                      std::move(answer));
      },
      [this, shared, is_known = false, done = std::move(done)](PluginAnswer&& answer, const Step* step) mutable {
        if (!step) {
          const std::string& own = shared->route->namespace_;
          const std::string where = own.empty() ? "this gateway" : own;
          nobody_had_.Add(1);
          done(is_known ? Unavailable("No server in " + where + " is ready.", RetryIn(5s))
                        : FailedPrecondition("There are no Spark servers in " + where +
                                             ", and none may be made. Ask its team."));
          return true;
        }
        if (auto* lease = std::get_if<Lease>(&answer)) {
          done(Found{std::move(lease->endpoint), std::move(lease->id), step->instance});
          return true;
        }
        if (auto* snapshot = std::get_if<Snapshot>(&answer)) {
          is_known = true;
          auto chosen = shared->choose(**snapshot);
          // Known, but nothing is ready: a later step may have one.
          if (!chosen) return false;
          done(Found{*std::move(chosen), "", step->instance});
          return true;
        }
        done(RefusalIn(answer, *step));
        return true;
      });
}

std::unique_ptr<Run> Pipeline::Admit(const sgw_record& record, Done done) const {
  return Asking::Begin(
      admitters_,
      [&record](const Step& step, AnswerFn answer) { return step.instance->Admit(record, std::move(answer)); },
      [done = std::move(done)](PluginAnswer&& answer, const Step* step) {
        if (step && std::holds_alternative<core::Done>(answer)) return false;
        done(step ? RefusalIn(answer, *step) : Status());
        return true;
      });
}

void Pipeline::Record(const sgw_record& record) const {
  for (Instance* audit : audits_) audit->Record(record);
}

}  // namespace sgw::core
