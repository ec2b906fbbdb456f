// MetricsRegistry: the one place where the core and all plugins count.
//
// Adding to a series takes a relaxed atomic on a cell of the calling thread's own cache line. Names, types and labels
// follow Prometheus. A family holds at most kMaxSeries; past that, everything goes to one series whose label values are
// all "other", so that no caller can make the process grow.
//
// Safe for concurrent use. Series live as long as the registry.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sgw::core {

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

// Label names with their values, in a fixed order per family.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// One time series.
class Series {
 public:
  void Add(double amount);     // counter, gauge
  void Set(double value);      // gauge; wins over what other threads added before
  void Observe(double value);  // histogram

 private:
  friend class MetricsRegistry;
  static constexpr std::size_t kShards = 8;
  struct alignas(64) Cell {
    std::atomic<double> value{0};  // the sum, for a histogram
  };

  explicit Series(const std::vector<double>* bounds);

  std::array<Cell, kShards> cells_;
  const std::vector<double>* bounds_;
  // Histogram: kShards x (bounds + 1) counts, not cumulative.
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets_;
};

struct SeriesSnapshot {
  std::vector<std::string> label_values;
  double value = 0;
  std::uint64_t count = 0;
  double sum = 0;
  std::vector<std::uint64_t> buckets;  // cumulative, one per bound
};

struct FamilySnapshot {
  std::string name;
  std::string help;
  MetricType type = MetricType::kCounter;
  std::vector<double> bounds;
  std::vector<std::string> label_names;
  std::vector<SeriesSnapshot> series;
};

class MetricsRegistry {
 public:
  static constexpr std::size_t kMaxSeries = 1000;

  // The series with these labels, made at first use. Null: the name is not a valid one, or the family exists with
  // another type or other label names.
  Series* Get(MetricType type, const std::string& name, const std::string& help, const MetricLabels& labels,
              const std::vector<double>& bounds = {});

  // The core's own names are right by construction.
  Series& Counter(const std::string& name, const std::string& help, const MetricLabels& labels = {}) {
    return Own(MetricType::kCounter, name, help, labels);
  }
  Series& Gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {}) {
    return Own(MetricType::kGauge, name, help, labels);
  }
  Series& Histogram(const std::string& name, const std::string& help, const MetricLabels& labels = {}) {
    return Own(MetricType::kHistogram, name, help, labels);
  }

  // Runs before each snapshot, to set gauges that are cheaper to compute than to keep. Any thread.
  void BeforeSnapshot(std::function<void()> function);

  std::vector<FamilySnapshot> Snapshot() const;

 private:
  Series& Own(MetricType type, const std::string& name, const std::string& help, const MetricLabels& labels);

  struct Family {
    std::string help;
    MetricType type;
    std::vector<double> bounds;
    std::vector<std::string> label_names;
    std::map<std::vector<std::string>, std::unique_ptr<Series>> series;
  };

  mutable std::mutex mutex_;  // Guards families_ and before_.
  std::map<std::string, Family> families_;
  std::vector<std::function<void()>> before_;
};

// Seconds from 0.5 ms to 10 minutes, for durations of calls and steps.
const std::vector<double>& DurationBounds();

}  // namespace sgw::core
