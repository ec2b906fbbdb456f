#include "core/worker/metrics_registry.h"

#include <doctest/doctest.h>

#include <thread>

using namespace sgw::core;

TEST_CASE("what several threads add is all in the snapshot") {
  MetricsRegistry registry;
  Series& calls = registry.Counter("calls_total", "Calls.", {{"method", "Config"}});
  Series& seconds = registry.Histogram("seconds", "Durations.");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        calls.Add(1);
        seconds.Observe(0.002);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto snapshot = registry.Snapshot();
  REQUIRE(snapshot.size() == 2);
  CHECK(snapshot[0].series[0].value == 4000);
  CHECK(snapshot[1].series[0].count == 4000);
  CHECK(snapshot[1].series[0].sum == doctest::Approx(8.0));
  CHECK(snapshot[1].series[0].buckets[1] == 0);     // up to 1 ms
  CHECK(snapshot[1].series[0].buckets[2] == 4000);  // up to 2.5 ms
}

TEST_CASE("a family keeps its shape and its bound") {
  MetricsRegistry registry;
  CHECK(registry.Get(MetricType::kCounter, "9x", "", {}) == nullptr);
  CHECK(registry.Get(MetricType::kCounter, "x", "", {{"bad-label", ""}}) == nullptr);
  for (std::size_t i = 0; i < MetricsRegistry::kMaxSeries; ++i) {
    CHECK(registry.Get(MetricType::kGauge, "x", "", {{"a", std::to_string(i)}}));
  }
  Series* first = registry.Get(MetricType::kGauge, "x", "", {{"a", "more"}});
  CHECK(first == registry.Get(MetricType::kGauge, "x", "", {{"a", "and more"}}));
  CHECK(registry.Get(MetricType::kCounter, "x", "", {{"a", "1"}}) == nullptr);
  CHECK(registry.Snapshot()[0].series.size() == MetricsRegistry::kMaxSeries + 1);
}
