// ScriptedGateway: real plugins that do what a test says, in a real pipeline, on real workers, with a manual clock.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "core/config/load.h"
#include "core/pipeline/pipeline.h"
#include "tests/core/pipeline/script.h"
#include "tests/support/run_on.h"

namespace sgw::core::testing {

using sgw::testing::Script;

// Stands still until it is told to go on. Safe for concurrent use.
class ManualClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(std::chrono::hours(1000)) + passed_.load(); }
  WallTime Wall() const override {
    return WallTime(std::chrono::hours(500'000)) + std::chrono::duration_cast<WallTime::duration>(passed_.load());
  }
  void Advance(SteadyTime::duration by) { passed_ = passed_.load() + by; }

 private:
  std::atomic<SteadyTime::duration> passed_{SteadyTime::duration::zero()};
};

class ScriptedGateway {
 public:
  // `pipeline` is the list of steps as YAML; instances are named after their kind with a digit: auth1, remembered1,
  // router1, pool1, closed1, discovery1, audit1. `more` is further YAML at the top. `scripts`: those of an earlier
  // gateway.
  explicit ScriptedGateway(const std::string& pipeline, const std::string& more = "",
                           std::shared_ptr<std::map<std::string, Script>> scripts = nullptr);
  ~ScriptedGateway();

  Script& script(const std::string& instance) { return (*scripts_)[instance]; }
  const std::shared_ptr<std::map<std::string, Script>>& scripts() const { return scripts_; }
  const std::shared_ptr<const Pipeline>& pipeline() const { return pipeline_; }
  // What is said of the configuration by the room's own check.
  const std::string& complaints() const { return complaints_; }

  // Runs the function on a worker and waits for it.
  template <typename F>
  auto On(std::size_t worker, F function) {
    return RunOn(workers[worker], function);
  }
  // Waits until the workers and the control thread have done what they had to do.
  void Settle();

  MetricsRegistry metrics;
  ManualClock clock;
  Worker control{"control"};
  HostServices services{metrics, control, nullptr};
  WorkerPool workers{2};
  Config config;

 private:
  std::shared_ptr<std::map<std::string, Script>> scripts_;
  std::string complaints_;
  std::shared_ptr<Generation> generation_;
  std::shared_ptr<const Pipeline> pipeline_;
};

// True when it comes to be true within ten seconds.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

// A call of Spark Connect.
CallFacts FactsFor(const std::string& method, const StringMap& headers = {});

}  // namespace sgw::core::testing
