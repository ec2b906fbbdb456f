#include "core/app/load_all.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/config/address.h"
#include "core/config/load.h"
#include "core/pipeline/pipeline.h"

namespace sgw::core {
namespace {

std::optional<Loaded> Finish(Config config, Complaints& complaints) {
  Loaded loaded;
  loaded.config = std::move(config);
  std::vector<std::string>& directories = loaded.config.plugin_directories;
  for (const std::string& own : OwnPluginDirectories()) {
    if (std::find(directories.begin(), directories.end(), own) == directories.end()) directories.push_back(own);
  }
  loaded.plugins = InspectPlugins(loaded.config, complaints);
  CheckPipeline(loaded.config, loaded.plugins, complaints);
  std::fputs(complaints.Text().c_str(), stderr);
  if (complaints.has_errors()) return std::nullopt;
  return loaded;
}

}  // namespace

std::optional<Loaded> LoadAll(const std::string& path) {
  Complaints complaints(path);
  return Finish(ReadConfig(path, complaints), complaints);
}

std::optional<Loaded> LoadFor(const std::string& driver_address) {
  Complaints complaints("--to " + driver_address);
  std::string problem;
  const auto address = ParseAddress(driver_address, problem);
  if (!address || address->is_unix() || address->port == 0) {
    if (problem.empty()) problem = "a server has a name and a port";
    complaints.Error({}, "write host:port or [address]:port (" + problem + ")");
    std::fputs(complaints.Text().c_str(), stderr);
    return std::nullopt;
  }
  std::error_code ignored;
  return Finish(
      ReadConfigText(ConfigTextFor(driver_address), std::filesystem::current_path(ignored).string(), complaints),
      complaints);
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
