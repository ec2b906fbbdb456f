#include "core/app/load_all.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/app/tls_files.h"
#include "core/config/address.h"
#include "core/config/load.h"
#include "core/pipeline/pipeline.h"

namespace sgw::core {
namespace {

Loaded Finish(Config config, Complaints& complaints) {
  Loaded loaded;
  loaded.config = std::move(config);
  std::vector<std::string>& directories = loaded.config.plugin_directories;
  for (const std::string& own : OwnPluginDirectories()) {
    if (std::find(directories.begin(), directories.end(), own) == directories.end()) directories.push_back(own);
  }
  loaded.plugins = InspectPlugins(loaded.config, complaints);
  CheckPipeline(loaded.config, loaded.plugins, complaints);
  return loaded;
}

// Whether the file can be written or made; folders that are missing would be made, too.
bool IsWritable(std::filesystem::path path) {
  std::error_code error;
  const bool is_there = std::filesystem::exists(path, error);
  while (!std::filesystem::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return (is_there || std::filesystem::is_directory(path, error)) && access(path.c_str(), W_OK) == 0;
}

}  // namespace

Loaded LoadAll(const std::string& path, Complaints& complaints) {
  return Finish(ReadConfig(path, complaints), complaints);
}

Loaded LoadFor(const std::string& driver_address, Complaints& complaints) {
  std::string problem;
  const auto address = ParseAddress(driver_address, problem);
  if (!address || address->is_unix() || address->port == 0) {
    if (problem.empty()) problem = "a server has a name and a port";
    complaints.Error({}, "write host:port or [address]:port (" + problem + ")");
    return {};
  }
  std::error_code ignored;
  return Finish(
      ReadConfigText(ConfigTextFor(driver_address), std::filesystem::current_path(ignored).string(), complaints),
      complaints);
}

void CheckFiles(const Config& config, Complaints& complaints) {
  for (const std::string& directory : config.plugin_directories) {
    std::error_code no_folder;
    if (!std::filesystem::is_directory(directory, no_folder))
      complaints.Warning(config.PlaceOf("plugin_directories"), "plugin_directories: there is no folder " + directory);
  }
  for (const ListenerConfig& listener : config.listeners) {
    if (!listener.has_tls()) continue;
    const auto tls = TlsContext::ForListener(TlsOf(listener));
    if (!tls) complaints.Error(listener.place, tls.status().message());
  }
  if (config.upstream.has_tls()) {
    const auto tls = TlsContext::ForDrivers(TlsOf(config.upstream));
    if (!tls) complaints.Error(config.PlaceOf("upstream.tls"), tls.status().message());
  }
  if (!config.sessions.state.empty() && !IsWritable(config.sessions.state))
    complaints.Error(config.PlaceOf("sessions.state"), "sessions.state: cannot write " + config.sessions.state);
  std::string ignored;
  const auto admin = ParseAddress(config.admin.address, ignored);
  if (admin && admin->is_unix() && !IsWritable(admin->path))
    complaints.Error(config.PlaceOf("admin.address"), "admin.address: cannot make a socket at " + admin->path);
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
