#include "tests/core/plugin/plugin_rig.h"

namespace sgw::core::testing {

PluginRig::PluginRig(const std::string& parent) : folder(parent) { control.Start(); }

PluginRig::~PluginRig() {
  generation.reset();
  control.Stop();
}

Status PluginRig::Serve(const std::string& bytes, std::chrono::milliseconds start_timeout) {
  if (settings.map.empty()) settings = SettingsOf({{"hook", std::to_string(reinterpret_cast<std::uintptr_t>(&hook))}});
  folder.Write("it.so", bytes);
  Config config;
  config.plugins.push_back({"it", file, settings, {14, 3}});
  config.directory = folder.path();
  Complaints complaints("gateway.yaml");
  InspectedPlugins plugins = InspectPlugins(config, complaints);
  if (complaints.has_errors()) return InvalidArgument(complaints.Text());
  auto made = Generation::Create(config, std::move(plugins), services, complaints);
  if (!made) return made.status();
  Status started = (*made)->Start(complaints, start_timeout);
  if (started.ok()) generation = *std::move(made);
  return started;
}

Instance& PluginRig::ServeKind(const std::string& kind) {
  FixtureTag tag;
  tag.kind = '"' + kind + '"';
  const Status status = Serve(FixtureBytes(tag));
  REQUIRE_MESSAGE(status.ok(), status.message());
  return instance();
}

double PluginRig::Misuse(const std::string& reason) const {
  return Counted(metrics, "spark_gateway_plugin_answer_misuse_total", {"it", reason});
}

double Counted(const MetricsRegistry& metrics, const std::string& family, const std::vector<std::string>& labels) {
  for (const FamilySnapshot& one : metrics.Snapshot()) {
    for (const SeriesSnapshot& series : one.series) {
      if (one.name == family && series.label_values == labels) return series.value;
    }
  }
  return 0;
}

Value SettingsOf(const std::vector<std::pair<std::string, std::string>>& members) {
  Value map;
  map.kind = Value::Kind::kMap;
  for (const auto& [key, text] : members) {
    Value value;
    value.kind = Value::Kind::kScalar;
    value.text = text;
    map.map.push_back({key, {15, 5}, value});
  }
  return map;
}

}  // namespace sgw::core::testing
