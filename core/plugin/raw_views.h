// Core values in the boundary's form, borrowed from the values. For sources of this room and of pipeline's records.
#pragma once

#include <sgw/abi.h>
#include <sgw/detail/raw.h>
#include <sgw/values.h>

#include <string_view>
#include <vector>

#include "core/worker/metrics_registry.h"

namespace sgw::core {

inline sgw_view View(std::string_view text) { return {text.data(), text.size()}; }

using sgw::detail::RawIdentity;
using sgw::detail::RawPairs;
using sgw::detail::RawRoute;
using sgw::detail::RawViews;

class RawMetrics {
 public:
  explicit RawMetrics(const std::vector<FamilySnapshot>& families) {
    names_.reserve(families.size());
    series_.reserve(families.size());
    values_.reserve(families.size());
    for (const FamilySnapshot& family : families) {
      names_.emplace_back(family.label_names);
      auto& values = values_.emplace_back();
      auto& series = series_.emplace_back();
      values.reserve(family.series.size());
      for (const SeriesSnapshot& one : family.series) {
        values.emplace_back(one.label_values);
        series.push_back({values.back().get(), one.value, one.count, one.sum, one.buckets.data()});
      }
      families_.push_back({View(family.name), View(family.help), static_cast<std::uint32_t>(family.type),
                           static_cast<std::uint32_t>(family.bounds.size()), family.bounds.data(), names_.back().get(),
                           series.data(), series.size()});
    }
    raw_ = {sizeof(raw_), 0, families_.data(), families_.size()};
  }
  RawMetrics(const RawMetrics&) = delete;
  RawMetrics& operator=(const RawMetrics&) = delete;
  const sgw_metrics_snapshot* get() const { return &raw_; }

 private:
  std::vector<RawViews> names_;
  std::vector<std::vector<RawViews>> values_;
  std::vector<std::vector<sgw_metric_series>> series_;
  std::vector<sgw_metric_family> families_;
  sgw_metrics_snapshot raw_{};
};

}  // namespace sgw::core
