#include "metrics_prometheus.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

namespace sgw::plugins {
namespace {

std::string Copy(sgw_view view) { return std::string(detail::Text(view)); }

::prometheus::ClientMetric MetricOf(const sgw_metric_family& family, const sgw_metric_series& series) {
  ::prometheus::ClientMetric metric;
  for (std::uint64_t i = 0; i < family.label_names.count; ++i) {
    metric.label.push_back({Copy(family.label_names.items[i]), Copy(series.label_values.items[i])});
  }
  switch (family.type) {
    case SGW_METRIC_COUNTER: metric.counter.value = series.value; break;
    case SGW_METRIC_GAUGE: metric.gauge.value = series.value; break;
    default:
      metric.histogram.sample_count = series.count;
      metric.histogram.sample_sum = series.sum;
      for (std::uint32_t i = 0; i < family.bound_count; ++i) {
        metric.histogram.bucket.push_back({series.buckets[i], family.bounds[i]});
      }
      metric.histogram.bucket.push_back({series.count, std::numeric_limits<double>::infinity()});
      break;
  }
  return metric;
}

}  // namespace

MetricsPage Prometheus::Render(const MetricsSnapshot& snapshot) {
  std::vector<::prometheus::MetricFamily> families;
  for (const sgw_metric_family& family : snapshot) {
    ::prometheus::MetricFamily& out = families.emplace_back();
    out.name = Copy(family.name);
    out.help = Copy(family.help);
    out.type = family.type == SGW_METRIC_COUNTER ? ::prometheus::MetricType::Counter
               : family.type == SGW_METRIC_GAUGE ? ::prometheus::MetricType::Gauge
                                                 : ::prometheus::MetricType::Histogram;
    for (std::uint64_t i = 0; i < family.series_count; ++i) out.metric.push_back(MetricOf(family, family.series[i]));
  }
  return {"text/plain; version=0.0.4; charset=utf-8", ::prometheus::TextSerializer().Serialize(families)};
}

}  // namespace sgw::plugins
