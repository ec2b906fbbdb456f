#pragma once

#include <sgw/base.h>
#include <sgw/record.h>

#include <string>

namespace sgw {

// The page that GET /metrics answers.
struct MetricsPage {
  std::string content_type{};
  std::string body{};
};

// Metrics renders the registry of the gateway and all its plugins.
//
// Render() runs on the admin thread, one call at a time.
class Metrics : public Plugin {
 public:
  virtual MetricsPage Render(const MetricsSnapshot& snapshot) = 0;
};

}  // namespace sgw
