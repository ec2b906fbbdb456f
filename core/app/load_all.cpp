#include "core/app/load_all.h"

#include <cstdio>
#include <filesystem>

#include "core/config/load.h"
#include "core/pipeline/pipeline.h"

namespace sgw::core {
namespace {

std::optional<Loaded> Finish(std::optional<Config> config, Complaints& complaints) {
  std::optional<Loaded> loaded;
  if (config) {
    for (const std::string& directory : OwnPluginDirectories()) config->plugin_directories.push_back(directory);
    loaded.emplace();
    loaded->config = *std::move(config);
    loaded->plugins = InspectPlugins(loaded->config, complaints);
    CheckPipeline(loaded->config, loaded->plugins, complaints);
  }
  std::fputs(complaints.Text().c_str(), stderr);
  if (complaints.has_errors()) return std::nullopt;
  return loaded;
}

}  // namespace

std::optional<Loaded> LoadAll(const std::string& path) {
  Complaints complaints(path);
  auto config = LoadConfig(path, complaints);
  return Finish(std::move(config), complaints);
}

std::optional<Loaded> LoadFor(const std::string& driver_address) {
  Complaints complaints("--to " + driver_address);
  std::error_code ignored;
  auto config = ParseConfig(ConfigTextFor(driver_address), std::filesystem::current_path(ignored).string(), complaints);
  return Finish(std::move(config), complaints);
}

std::vector<std::string> OwnPluginDirectories() {
  std::error_code error;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::string> directories;
  for (const auto& candidate :
       {binary / ".." / ".." / "plugins", binary / ".." / SGW_LIBDIR / "spark-gateway" / "plugins"}) {
    if (std::filesystem::is_directory(candidate, error)) directories.push_back(candidate.lexically_normal().string());
  }
  return directories;
}

}  // namespace sgw::core
