#include "metrics_prometheus.h"

#include <doctest/doctest.h>

TEST_CASE("counters, gauges and histograms are written as Prometheus reads them") {
  const auto view = [](std::string_view text) { return sgw_view{text.data(), text.size()}; };
  const sgw_view label = view("method");
  const sgw_view value = view("a\"b\n");
  const sgw_metric_series counter = {{&value, 1}, 3, 0, 0, nullptr};
  const double bounds[] = {0.5};
  const std::uint64_t buckets[] = {1};
  const sgw_metric_series histogram = {{}, 0, 2, 2.5, buckets};
  const sgw_metric_family families[] = {
      {view("calls_total"), view("Calls."), SGW_METRIC_COUNTER, 0, nullptr, {&label, 1}, &counter, 1},
      {view("seconds"), view("Durations."), SGW_METRIC_HISTOGRAM, 1, bounds, {}, &histogram, 1}};
  const auto page = sgw::plugins::Prometheus().Render({families, 2});
  CHECK(page.content_type.find("version=0.0.4") != std::string::npos);
  for (const char* line : {"# TYPE calls_total counter\n", "calls_total{method=\"a\\\"b\\n\"} 3\n",
                           "# TYPE seconds histogram\n", "seconds_count 2\n", "seconds_sum 2.5\n",
                           "seconds_bucket{le=\"0.5\"} 1\n", "seconds_bucket{le=\"+Inf\"} 2\n"}) {
    CHECK_MESSAGE(page.body.find(line) != std::string::npos, line, " is missing in ", page.body);
  }
}
