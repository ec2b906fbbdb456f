// PluginRig: what a plugin needs around it, and a fixture with its hook inside.
#pragma once

#include <doctest/doctest.h>
#include <sgw/testing/temp_dir.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "core/plugin/generation.h"
#include "tests/fixtures/fixture.h"
#include "tests/fixtures/hook.h"

namespace sgw::core::testing {

using namespace std::chrono_literals;
using sgw::testing::FixtureBytes;
using sgw::testing::FixtureTag;
using sgw::testing::Hook;
using sgw::testing::TempDir;

// True when it comes to be true within ten seconds.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 5000 && !condition(); ++i) std::this_thread::sleep_for(2ms);
  return condition();
}

// Text as the C boundary has it.
inline sgw_view Raw(std::string_view text) { return {text.data(), text.size()}; }

class PluginRig {
 public:
  // Its folder is made in `parent`.
  explicit PluginRig(const std::string& parent = "/tmp");
  ~PluginRig();

  // The one plugin "it" of a configuration, from a file of these bytes to the point where it serves. Not OK: what the
  // operator reads.
  Status Serve(const std::string& bytes = FixtureBytes(), std::chrono::milliseconds start_timeout = 60s);
  // The same of this kind; it must succeed.
  Instance& ServeKind(const std::string& kind);
  Instance& instance() { return *generation->Find("it"); }

  // Runs on the control thread and returns when it has.
  void On(const std::function<void()>& function) { services.OnControl(function); }
  // Waits until the control thread has done what it had to do, and what a turn of it has posted to itself: others may
  // post before the turn ends, and stand before that.
  void Settle() {
    On([] {});
    On([] {});
  }
  // How often the rules of the boundary were broken in this way.
  double Misuse(const std::string& reason) const;

  TempDir folder;
  const std::string file = folder.path() + "/it.so";  // the plugin's
  Hook hook;
  Value settings;  // set by Serve() where it is empty
  MetricsRegistry metrics;
  Worker control{"control"};
  HostServices services{metrics, control, nullptr};
  std::shared_ptr<Generation> generation;
};

// The value of the one series with these label values; 0: there is none.
double Counted(const MetricsRegistry& metrics, const std::string& family, const std::vector<std::string>& labels);
// A map of settings as a configuration has it.
Value SettingsOf(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace sgw::core::testing
