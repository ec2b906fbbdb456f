// CapturedMetrics: the registry of a TestHost.
#pragma once

#include <sgw/abi.h>
#include <sgw/detail/raw.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace sgw::testing::detail {

// Safe for concurrent use.
class CapturedMetrics {
 public:
  // Null when the name has another type already.
  sgw_series* Find(std::uint32_t type, std::string name, StringMap labels) {
    const std::lock_guard lock(mutex_);
    if (!types_.try_emplace(name, type).second && types_[name] != type) return nullptr;
    auto& series = series_[{std::move(name), Sorted(std::move(labels))}];
    if (!series) series = std::make_unique<Series>();
    return reinterpret_cast<sgw_series*>(series.get());
  }

  // A counter's or gauge's value, the number of a histogram's observations; 0 for what was never touched.
  double Value(const std::string& name, StringMap labels) const {
    const std::lock_guard lock(mutex_);
    const auto found = series_.find({name, Sorted(std::move(labels))});
    return found == series_.end() ? 0 : found->second->value.load();
  }
  // Over all labels.
  double Sum(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    double sum = 0;
    for (const auto& [key, series] : series_) {
      if (key.first == name) sum += series->value.load();
    }
    return sum;
  }

  static void Add(sgw_series* series, double amount) { Of(series).value.fetch_add(amount); }
  static void Set(sgw_series* series, double value) { Of(series).value.store(value); }
  static void Observe(sgw_series* series, double) { Of(series).value.fetch_add(1); }

 private:
  struct Series {
    std::atomic<double> value{0};
  };
  static Series& Of(sgw_series* series) { return *reinterpret_cast<Series*>(series); }
  static StringMap Sorted(StringMap labels) {
    std::sort(labels.begin(), labels.end());
    return labels;
  }

  mutable std::mutex mutex_;  // Guards the members below.
  std::map<std::string, std::uint32_t> types_;
  std::map<std::pair<std::string, StringMap>, std::unique_ptr<Series>> series_;
};

}  // namespace sgw::testing::detail
