// Prometheus renders the registry in Prometheus' text format, with prometheus-cpp.
#pragma once

#include <sgw/plugin.h>

namespace sgw::plugins {

class Prometheus : public Metrics {
 public:
  MetricsPage Render(const MetricsSnapshot& snapshot) override;
};

}  // namespace sgw::plugins
