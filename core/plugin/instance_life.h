// InstanceLife: what outlives an instance of it, so that whatever comes late finds whose it was.
#pragma once

#include <sgw/abi.h>
#include <sgw/status.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "core/plugin/crash_marker.h"
#include "core/plugin/secret_texts.h"
#include "core/worker/metrics_registry.h"

namespace sgw::core {

// Safe for concurrent use.
class InstanceLife {
 public:
  InstanceLife(MetricsRegistry& metrics, const SecretTexts& secrets, std::string plugin_file, std::string instance_name)
      : file(std::move(plugin_file)), name(std::move(instance_name)), metrics_(metrics), secrets_(secrets) {}

  // Runs code of the plugin. A crash in it is told with its phase; what it throws is counted and goes no further.
  // False: it threw, and `what` says what.
  template <typename F>
  bool Enter(const char* phase, F run, std::string* what = nullptr) const {
    const CrashMarker marker(file, phase, name);
    try {
      run();
      return true;
    } catch (...) {
      Threw(phase, what);
      return false;
    }
  }

  // One misuse of the boundary, by its reason: "twice", "late", "unknown", "foreign", "wrong_kind", "missing", "never",
  // "threw", "leased_twice".
  void Count(const char* reason) const;

  // What the plugin says, for people's eyes: plain, without secrets, and no longer than this.
  std::string Plain(sgw_view text, std::size_t max_bytes) const;
  Status WithoutSecrets(const sgw_status* status, SecretTexts::Which which = SecretTexts::Which::kWhole) const;

  const std::string file;
  const std::string name;
  std::atomic<bool> is_over{false};
  std::atomic<std::uint64_t> identities_forgotten{0};  // how often: what was remembered before the last time is void

  std::mutex mutex;                  // Guards children and leases.
  std::set<std::uint64_t> children;  // child processes that run
  std::set<std::string> leases;      // ids that were given to the host and have not gone back

 private:
  // In a handler.
  void Threw(const char* phase, std::string* what) const;

  MetricsRegistry& metrics_;
  const SecretTexts& secrets_;
};

// "an exception crossed the boundary (<what>). Rebuild it with its SDK."; in a handler.
std::string CrossedBoundary();

}  // namespace sgw::core
