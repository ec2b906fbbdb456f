#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "core/app/gateway.h"
#include "core/app/load_all.h"
#include "core/app/tls_files.h"
#include "core/app/usage.h"
#include "core/config/address.h"

namespace sgw::core {
namespace {

// Makes every plugin and starts none, in a process of its own: what a plugin does there stays there. Says what failed.
bool CanCreatePlugins(const Loaded& loaded) {
  const pid_t child = fork();
  if (child == 0) {
    CrashMarker::Install();
    MetricsRegistry metrics;
    Worker control("control");
    control.Start();
    HostServices services(metrics, control, nullptr);
    services.exposure = ExposureOf(loaded.config);
    const auto generation = Generation::Create(loaded.config, loaded.plugins, services);
    if (!generation) std::cerr << loaded.config.file << ": " << generation.status().message() << std::endl;
    _exit(generation ? 0 : 2);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    std::cerr << "spark-gateway check: cannot make a process: " << std::strerror(errno) << "\n";
    return false;
  }
  if (WIFSIGNALED(status))
    std::cerr << loaded.config.file << ": creating the plugins ended with signal " << WTERMSIG(status) << "\n";
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Whether the file can be written or made; folders that are missing would be made, too.
bool IsWritable(std::filesystem::path path) {
  std::error_code error;
  const bool is_there = std::filesystem::exists(path, error);
  while (!std::filesystem::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return (is_there || std::filesystem::is_directory(path, error)) && access(path.c_str(), W_OK) == 0;
}

// Certificates against their keys, what is to be written, and the plugins' own checks. Says what is wrong.
bool IsDeeplyGood(const Loaded& loaded) {
  const Config& config = loaded.config;
  Complaints complaints(config.file);
  for (const ListenerConfig& listener : config.listeners) {
    if (!listener.has_tls()) continue;
    const auto tls = TlsContext::ForListener(TlsOf(listener));
    if (!tls) complaints.Error(listener.place, tls.status().message());
  }
  if (config.upstream.has_tls()) {
    const auto tls = TlsContext::ForDrivers(TlsOf(config.upstream));
    if (!tls) complaints.Error(config.upstream.place, tls.status().message());
  }
  if (!config.sessions.state.empty() && !IsWritable(config.sessions.state))
    complaints.Error({}, "sessions.state: cannot write " + config.sessions.state);
  std::string ignored;
  const auto admin = ParseAddress(config.admin.address, ignored);
  if (admin && admin->is_unix() && !IsWritable(admin->path))
    complaints.Error({}, "admin.address: cannot make a socket at " + admin->path);
  std::cerr << complaints.Text() << std::flush;
  return CanCreatePlugins(loaded) && !complaints.has_errors();
}

}  // namespace

int Check(const Words& words) {
  Usage usage("check [FILE]", std::string("says what is wrong with a configuration; FILE is ") + kDefaultConfig +
                                  " where it is not given");
  usage.Options()("deep", "also look at files, certificates and keys, and create every plugin without listening");
  usage.TakesWords(1);
  if (const auto code = usage.Read(words)) return *code;
  const std::string file = usage.words().empty() ? kDefaultConfig : usage.words().front();
  const auto loaded = LoadAll(file);
  if (!loaded || (usage.Has("deep") && !IsDeeplyGood(*loaded))) return 2;
  std::cout << file << ": good\n";
  return 0;
}

}  // namespace sgw::core
