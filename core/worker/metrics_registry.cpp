#include "core/worker/metrics_registry.h"

#include <algorithm>
#include <cassert>

namespace sgw::core {
namespace {

std::size_t ThreadShard(std::size_t shards) {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next++;
  return mine % shards;
}

void AddTo(std::atomic<double>& cell, double amount) {
  double seen = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(seen, seen + amount, std::memory_order_relaxed)) {
  }
}

bool IsName(const std::string& name, bool colons) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colons && c == ':');
  });
}

}  // namespace

Series::Series(const std::vector<double>* bounds) : bounds_(bounds) {
  if (bounds_) buckets_ = std::make_unique<std::atomic<std::uint64_t>[]>(kShards * (bounds_->size() + 1));
}

void Series::Add(double amount) { AddTo(cells_[ThreadShard(kShards)].value, amount); }

void Series::Set(double value) {
  for (std::size_t i = 1; i < kShards; ++i) cells_[i].value.store(0, std::memory_order_relaxed);
  cells_[0].value.store(value, std::memory_order_relaxed);
}

void Series::Observe(double value) {
  if (!bounds_) return;
  const std::size_t shard = ThreadShard(kShards);
  const std::size_t bucket = std::lower_bound(bounds_->begin(), bounds_->end(), value) - bounds_->begin();
  buckets_[shard * (bounds_->size() + 1) + bucket].fetch_add(1, std::memory_order_relaxed);
  AddTo(cells_[shard].value, value);
}

Series* MetricsRegistry::Get(MetricType type, const std::string& name, const std::string& help,
                             const MetricLabels& labels, const std::vector<double>& bounds) {
  if (!IsName(name, true)) return nullptr;
  std::vector<std::string> names;
  std::vector<std::string> values;
  for (const auto& [label, value] : labels) {
    if (!IsName(label, false)) return nullptr;
    names.push_back(label);
    values.push_back(value.substr(0, 128));
  }
  const std::lock_guard lock(mutex_);
  auto [at, is_new] = families_.try_emplace(name);
  Family& family = at->second;
  if (is_new) {
    family.help = help;
    family.type = type;
    family.label_names = names;
    if (type == MetricType::kHistogram) family.bounds = bounds.empty() ? DurationBounds() : bounds;
  } else if (family.type != type || family.label_names != names) {
    return nullptr;
  }
  if (family.series.size() >= kMaxSeries && !family.series.count(values)) values.assign(names.size(), "other");
  auto& series = family.series[values];
  if (!series) series.reset(new Series(type == MetricType::kHistogram ? &family.bounds : nullptr));
  return series.get();
}

Series& MetricsRegistry::Own(MetricType type, const std::string& name, const std::string& help,
                             const MetricLabels& labels) {
  Series* series = Get(type, name, help, labels);
  assert(series && "the core gave a wrong name, or one name two shapes");
  return *series;
}

void MetricsRegistry::BeforeSnapshot(std::function<void()> function) {
  const std::lock_guard lock(mutex_);
  before_.push_back(std::move(function));
}

std::vector<FamilySnapshot> MetricsRegistry::Snapshot() const {
  std::vector<std::function<void()>> before;
  {
    const std::lock_guard lock(mutex_);
    before = before_;
  }
  for (const auto& function : before) function();

  const std::lock_guard lock(mutex_);
  std::vector<FamilySnapshot> snapshot;
  for (const auto& [name, family] : families_) {
    FamilySnapshot& out = snapshot.emplace_back();
    out = {name, family.help, family.type, family.bounds, family.label_names, {}};
    for (const auto& [values, series] : family.series) {
      SeriesSnapshot& one = out.series.emplace_back();
      one.label_values = values;
      for (const auto& cell : series->cells_) one.value += cell.value.load(std::memory_order_relaxed);
      if (family.type != MetricType::kHistogram) continue;
      one.sum = one.value;
      const std::size_t width = family.bounds.size() + 1;
      for (std::size_t bucket = 0; bucket < width; ++bucket) {
        for (std::size_t shard = 0; shard < Series::kShards; ++shard) {
          one.count += series->buckets_[shard * width + bucket].load(std::memory_order_relaxed);
        }
        if (bucket + 1 < width) one.buckets.push_back(one.count);
      }
    }
  }
  return snapshot;
}

const std::vector<double>& DurationBounds() {
  static const std::vector<double> bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                             1,      2.5,   5,      10,    30,   60,    120,  300, 600};
  return bounds;
}

}  // namespace sgw::core
