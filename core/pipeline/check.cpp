#include <algorithm>

#include "core/pipeline/pipeline.h"

namespace sgw::core {
namespace {

// Steps that are alternatives of each other: those of a kind, and where servers come from, which is one row of two
// kinds.
enum class Row : std::uint8_t { kAuth, kRouter, kServers, kNone };

Row RowOf(StepKind kind) {
  switch (kind) {
    case StepKind::kAuth: return Row::kAuth;
    case StepKind::kRouter: return Row::kRouter;
    case StepKind::kHotPool:
    case StepKind::kDiscovery: return Row::kServers;
    default: return Row::kNone;
  }
}

}  // namespace

void CheckPipeline(const Config& config, const InspectedPlugins& plugins, Complaints& complaints) {
  struct Closed {
    std::string by;
    StepKind kind = StepKind::kAuth;
  };
  Closed closed[3];
  for (std::size_t i = 0; i < config.pipeline.size(); ++i) {
    const StepConfig& step = config.pipeline[i];
    const std::string where = "pipeline[" + std::to_string(i) + "]: ";
    if (step.kind == StepKind::kSessionStore) {
      complaints.Error(step.place,
                       where +
                           "one gateway keeps its sessions itself, and several cannot share them yet; leave "
                           "the step out, and set `sessions.state` to have sessions survive a restart");
      continue;
    }
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
      const auto asks = [](const ListenerConfig& listener) { return listener.asks_for_certificates(); };
      if (tag.has("certificates") && std::none_of(config.listeners.begin(), config.listeners.end(), asks)) {
        complaints.Error(step.place, where + "'" + name + "' (" + tag.name +
                                         ") knows clients by their certificates, and no listener asks for one; give a "
                                         "listener `tls: {client: {ca: FILE}}`");
      }
      const Row row = RowOf(step.kind);
      if (row == Row::kNone) continue;
      Closed& before = closed[static_cast<std::size_t>(row)];
      // A discovery that never says Next may still have nothing ready, and then a server is made.
      const bool may_be_asked = before.by.empty() || (before.kind == StepKind::kDiscovery && step.create);
      if (!may_be_asked) {
        complaints.Error(step.place,
                         where + "'" + name + "' is never asked: '" + before.by + "' before it always decides");
      } else if (!tag.has("next")) {
        before = {name, step.kind};
      }
    }
  }
}

}  // namespace sgw::core
