// Core values in the boundary's form, borrowed from the values. For sources of this room and of pipeline's records.
#pragma once

#include <sgw/abi.h>
#include <sgw/values.h>

#include <string_view>
#include <vector>

#include "core/worker/metrics_registry.h"

namespace sgw::core {

inline sgw_view View(std::string_view text) { return {text.data(), text.size()}; }

class RawViews {
 public:
  explicit RawViews(const std::vector<std::string>& texts) {
    for (const auto& text : texts) views_.push_back(View(text));
  }
  sgw_views get() const { return {views_.data(), views_.size()}; }

 private:
  std::vector<sgw_view> views_;
};

class RawPairs {
 public:
  explicit RawPairs(const StringMap& map) {
    for (const auto& [key, value] : map) pairs_.push_back({View(key), View(value)});
  }
  sgw_pairs get() const { return {pairs_.data(), pairs_.size()}; }

 private:
  std::vector<sgw_pair> pairs_;
};

class RawIdentity {
 public:
  explicit RawIdentity(const Identity& identity) : groups_(identity.groups), claims_(identity.claims) {
    raw_.size = sizeof(raw_);
    raw_.as_claimed = identity.is_as_claimed ? 1 : 0;
    raw_.subject = View(identity.subject);
    raw_.user_name = View(identity.user_name);
    raw_.groups = groups_.get();
    raw_.claims = claims_.get();
    raw_.realm = View(identity.realm);
  }
  RawIdentity(const RawIdentity&) = delete;
  RawIdentity& operator=(const RawIdentity&) = delete;
  const sgw_identity* get() const { return &raw_; }

 private:
  RawViews groups_;
  RawPairs claims_;
  sgw_identity raw_{};
};

class RawRoute {
 public:
  explicit RawRoute(const Route& route)
      : labels_(route.labels), attributes_(route.attributes), made_from_(route.made_from) {
    raw_.size = sizeof(raw_);
    raw_.name_space = View(route.namespace_);
    raw_.team = View(route.team);
    raw_.environment = View(route.environment);
    raw_.service_class = View(route.service_class);
    raw_.labels = labels_.get();
    raw_.attributes = attributes_.get();
    raw_.made_from = made_from_.get();
  }
  RawRoute(const RawRoute&) = delete;
  RawRoute& operator=(const RawRoute&) = delete;
  const sgw_route* get() const { return &raw_; }

 private:
  RawPairs labels_;
  RawPairs attributes_;
  RawViews made_from_;
  sgw_route raw_{};
};

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
