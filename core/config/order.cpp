#include "core/config/order.h"

#include <algorithm>
#include <set>

#include "core/config/reader.h"

namespace sgw::core {
namespace {

const std::vector<std::string> kKinds = {"auth",  "router",  "hot-pool",     "discovery",
                                         "audit", "metrics", "session-store"};

StepConfig ReadStep(const Value& value, const std::string& where, const Config& config, Complaints& complaints) {
  StepConfig step;
  step.place = value.place;
  const Value::Member* named = nullptr;
  for (const auto& member : value.map) {
    if (member.key == "create" || member.key == "hold" || member.key == "give_up") continue;
    const auto kind = KindOf(member.key);
    if (!kind) {
      complaints.Error(member.place, where + ": no kind '" + member.key + "'" + DidYouMean(member.key, kKinds));
    } else if (named) {
      complaints.Error(member.place, where + ": a step has one kind, and this one is '" + named->key + "' already");
    } else {
      named = &member;
      step.kind = *kind;
    }
  }
  {
    MapReader reader(value, where, complaints);
    if (named) reader.Texts(named->key, step.instances);
    for (const auto& member : value.map) {
      if (!KindOf(member.key) || (named && member.key != named->key)) reader.Get(member.key);
    }
    reader.Bool("create", step.create);
    reader.Duration("hold", step.hold);
    reader.Duration("give_up", step.give_up);
  }
  if (!named) {
    complaints.Error(value.place, where + ": a step names a kind and an instance, as in `- auth: okta`");
    return step;
  }
  // An empty list would let everybody in where an auth step was meant.
  if (step.instances.empty()) complaints.Error(named->value.place, where + ": the step names no instance");
  std::vector<std::string> names;
  for (const PluginConfig& plugin : config.plugins) names.push_back(plugin.name);
  for (const std::string& instance : step.instances) {
    if (!config.FindPlugin(instance)) {
      complaints.Error(named->value.place, where + ": no plugin '" + instance + "'" + DidYouMean(instance, names));
    }
  }
  if (step.create && step.kind != StepKind::kHotPool) {
    complaints.Error(value.place, where + ": only a hot-pool step can have `create: true`");
  }
  return step;
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
  if (list.kind != Value::Kind::kList || list.list.empty()) {
    return complaints.Error(list.place, "pipeline must be a list of steps such as `- auth: okta`");
  }
  bool has_auth = false;
  bool has_router = false;
  bool has_endpoint = false;
  std::set<std::string> used;
  for (std::size_t i = 0; i < list.list.size(); ++i) {
    const std::string where = "pipeline[" + std::to_string(i) + "]";
    StepConfig step = ReadStep(list.list[i], where, config, complaints);
    if (step.instances.empty()) continue;
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
      case StepKind::kDiscovery:
        has_endpoint = true;
        break;
      default:
        break;
    }
    config.pipeline.push_back(std::move(step));
  }
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
