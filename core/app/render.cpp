#include "core/app/gateway.h"
#include "core/config/write.h"

namespace sgw::core {

const char* Version() { return SGW_VERSION; }

std::string RenderConfig(const Config& config, const InspectedPlugins& plugins, bool as_json) {
  std::map<std::string, Value> settings;
  for (const auto& [name, plugin] : plugins) settings.emplace(name, plugin.settings.effective);
  const Value value = WriteConfig(config, settings);
  if (as_json) return FormatJson(value);
  return "# " + config.file + " with its defaults; relative paths in settings start at " + config.directory + "\n" +
         FormatYaml(value);
}

}  // namespace sgw::core
