#include "core/config/order.h"

#include <algorithm>
#include <set>

#include "core/config/reader.h"
#include "core/config/sections.h"
#include "core/config/units.h"

namespace sgw::core {
namespace {

const std::vector<std::string> kKinds = {"auth",  "router",  "hot-pool",     "discovery",
                                         "audit", "metrics", "session-store"};
constexpr const char* kStepKeys[] = {"create", "hold", "give_up"};
constexpr std::size_t kMaxSteps = 100;

// The member that names the step's kind. Every other one that is no key of a step is wrong.
const Value::Member* FindKind(const Value& step, const std::string& where, Complaints& complaints) {
  std::vector<std::string> words = kKinds;
  words.insert(words.end(), std::begin(kStepKeys), std::end(kStepKeys));
  const Value::Member* named = nullptr;
  for (const auto& member : step.map) {
    if (complaints.is_full()) break;
    if (std::find(std::begin(kStepKeys), std::end(kStepKeys), member.key) != std::end(kStepKeys)) continue;
    if (!KindOf(member.key)) {
      complaints.Error(member.place, where + ": no kind or key '" + member.key + "'" + DidYouMean(member.key, words));
    } else if (named) {
      complaints.Error(member.place, where + ": a step has one kind, and this one is '" + named->key + "' already");
    } else {
      named = &member;
    }
  }
  return named;
}

// Says which keys a step of its kind does not have, and which durations do not fit.
void CheckKeys(const Value& value, const std::string& where, const StepConfig& step, Complaints& complaints) {
  const auto refuse = [&](const char* key, const char* why) {
    if (const Value* written = value.Find(key)) complaints.Error(written->place, where + ": " + why);
  };
  if (step.kind != StepKind::kHotPool) refuse("create", "only a hot-pool step can have `create: true`");
  if (step.is_observer()) refuse("hold", "nobody waits for an observer, so it has no `hold`");
  if (!step.create) refuse("give_up", "only a hot-pool step with `create: true` makes servers and can `give_up`");
  if (step.create && step.hold > step.give_up) {
    complaints.Warning(value.place, where + ".hold (" + FormatDuration(step.hold) + ") is more than its give_up (" +
                                        FormatDuration(step.give_up) + "), after which there is nothing to wait for");
  }
}

// False: nobody knows of which kind the step is.
bool ReadStep(const Value& value, const std::string& where, const Config& config, StepConfig& step,
              Complaints& complaints) {
  step.place = value.place;
  const Value::Member* named = FindKind(value, where, complaints);
  if (named) step.kind = *KindOf(named->key);
  {
    MapReader reader(value, where, config.directory, complaints);
    VisitStep(step, reader);
    if (named) CheckKeys(value, where, step, complaints);
    for (const auto& member : value.map) reader.Get(member.key);  // What is wrong with it has been said.
    if (named) reader.Texts(named->key, step.instances);
  }
  if (!named) {
    if (value.kind == Value::Kind::kMap)
      complaints.Error(value.place, where + ": a step names a kind and an instance, as in `- auth: okta`");
    return false;
  }
  // An empty list would let everybody in where an auth step was meant.
  if (step.instances.empty() && !named->value.is_broken)
    complaints.Error(named->value.place, where + ": the step names no instance");
  std::vector<std::string> names;
  for (const PluginConfig& plugin : config.plugins) names.push_back(plugin.name);
  std::set<std::string> seen;
  for (std::string& instance : step.instances) {
    if (complaints.is_full()) break;
    if (const PluginConfig* plugin = config.FindPlugin(instance))
      instance = plugin->name;
    else
      complaints.Error(named->value.place, where + ": no plugin '" + instance + "'" + DidYouMean(instance, names));
    if (!seen.insert(instance).second)
      complaints.Error(named->value.place, where + ": the step names '" + instance + "' twice");
  }
  return true;
}

// Said of a step that can have no effect because of one before it.
void CheckRepeats(const StepConfig& step, const std::string& where, const Config& config, Complaints& complaints) {
  if (step.kind == StepKind::kMetrics && step.instances.size() > 1)
    complaints.Error(step.place, where + ": a pipeline has one metrics plugin");
  for (std::size_t i = 0; i < config.pipeline.size(); ++i) {
    const StepConfig& before = config.pipeline[i];
    if (before.kind != step.kind) continue;
    const std::string other = "pipeline[" + std::to_string(i) + "]";
    for (const std::string& name : step.instances) {
      if (std::find(before.instances.begin(), before.instances.end(), name) == before.instances.end()) continue;
      if (before.create && !step.create)
        complaints.Error(step.place, where + ": '" + name + "' is never asked for a warm server: " + other +
                                         " has it make one; put this step before");
      else if (before.create == step.create)
        complaints.Error(step.place, where + ": '" + name + "' is named by " + other + " already");
    }
    if (step.kind == StepKind::kMetrics) {
      complaints.Error(step.place, where + ": a pipeline has one metrics plugin, and " + other + " names it");
      return;
    }
  }
}

}  // namespace

const char* KindName(StepKind kind) { return kKinds[static_cast<std::size_t>(kind)].c_str(); }

std::optional<StepKind> KindOf(std::string_view name) {
  std::string plain(name);
  std::replace(plain.begin(), plain.end(), '_', '-');
  const auto found = std::find(kKinds.begin(), kKinds.end(), plain);
  if (found == kKinds.end()) return std::nullopt;
  return static_cast<StepKind>(found - kKinds.begin());
}

void ReadPipeline(const Value& list, Config& config, Complaints& complaints) {
  if (list.kind != Value::Kind::kList || list.list.empty() || list.list.size() > kMaxSteps) {
    if (list.is_broken) return;
    return complaints.Error(list.place, "pipeline must be a list of 1 to " + std::to_string(kMaxSteps) +
                                            " steps such as `- auth: okta`, not " + list.Shown());
  }
  bool has_auth = false;
  bool has_router = false;
  bool has_endpoint = false;
  bool has_riddle = false;
  std::set<std::string> used;
  for (std::size_t i = 0; i < list.list.size(); ++i) {
    const std::string where = "pipeline[" + std::to_string(i) + "]";
    StepConfig step;
    if (!ReadStep(list.list[i], where, config, step, complaints)) {
      has_riddle = true;
      config.pipeline.push_back(std::move(step));
      continue;
    }
    CheckRepeats(step, where, config, complaints);
    used.insert(step.instances.begin(), step.instances.end());
    switch (step.kind) {
      case StepKind::kAuth:
        if (has_router || has_endpoint) {
          complaints.Error(step.place, where + ": auth comes before the steps that need to know who is calling");
        }
        has_auth = true;
        break;
      case StepKind::kRouter:
        if (has_router || step.instances.size() > 1)
          complaints.Error(step.place, where + ": a pipeline has one router");
        if (has_endpoint) complaints.Error(step.place, where + ": the router comes before the steps that it routes to");
        has_router = true;
        break;
      case StepKind::kHotPool:
      case StepKind::kDiscovery: has_endpoint = true; break;
      default: break;
    }
    config.pipeline.push_back(std::move(step));
  }
  // What the pipeline lacks may be what that step was meant to be.
  if (has_riddle) return;
  if (!has_endpoint) {
    complaints.Error(list.place, "pipeline: no step yields an endpoint; add a discovery or a hot-pool step");
  }
  if (!has_auth && has_router) {
    complaints.Error(list.place, "pipeline: a router needs an auth step before it");
  }
  for (std::size_t i = 0; i < config.listeners.size() && !has_auth; ++i) {
    if (config.listeners[i].is_open) continue;
    complaints.Error(config.listeners[i].place, "listeners[" + std::to_string(i) +
                                                    "]: the pipeline has no auth step; add one, or write `open: true` "
                                                    "here to let everybody in");
  }
  for (const PluginConfig& plugin : config.plugins) {
    if (!used.count(plugin.name)) complaints.Warning(plugin.place, "plugins." + plugin.name + " is used by no step");
  }
}

}  // namespace sgw::core
