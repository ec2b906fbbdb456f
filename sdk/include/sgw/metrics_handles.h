// Counter, Gauge and Histogram: handles of time series in the host's registry.
//
// Cheap to copy, safe for concurrent use, usable as long as the process lives. A default-constructed handle, or one
// whose name the host refused, counts nothing.
#pragma once

#include <sgw/abi.h>

namespace sgw {

namespace detail {

class SeriesHandle {
 public:
  SeriesHandle() = default;
  SeriesHandle(const sgw_host_table* host, sgw_series* series) : host_(host), series_(series) {}

 protected:
  const sgw_host_table* host_ = nullptr;
  sgw_series* series_ = nullptr;
};

}  // namespace detail

// Goes up only. By convention its name ends in _total.
class Counter : public detail::SeriesHandle {
 public:
  using SeriesHandle::SeriesHandle;
  void Add(double amount = 1) const {
    if (series_) host_->metric_add(series_, amount);
  }
};

// A value that goes up and down.
class Gauge : public detail::SeriesHandle {
 public:
  using SeriesHandle::SeriesHandle;
  void Set(double value) const {
    if (series_) host_->metric_set(series_, value);
  }
  void Add(double amount) const {
    if (series_) host_->metric_add(series_, amount);
  }
};

// A distribution over fixed upper bounds.
class Histogram : public detail::SeriesHandle {
 public:
  using SeriesHandle::SeriesHandle;
  void Observe(double value) const {
    if (series_) host_->metric_observe(series_, value);
  }
};

}  // namespace sgw
