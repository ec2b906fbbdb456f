#include "core/plugin/instance_life.h"

#include <spdlog/spdlog.h>

#include <exception>

#include "core/plugin/answers.h"

namespace sgw::core {

void InstanceLife::Count(const char* reason) const {
  metrics_
      .Counter("spark_gateway_plugin_answer_misuse_total",
               "Times that a plugin broke the rules of the boundary; what it said then had no effect.",
               {{"plugin", name}, {"reason", reason}})
      .Add(1);
}

void InstanceLife::Threw(const char* phase, std::string* what) const {
  Count("threw");
  const std::string crossed = CrossedBoundary();
  spdlog::error("{}: {} '{}': {}", file, phase, name, crossed);
  if (what) *what = crossed;
}

std::string CrossedBoundary() {
  std::string what = "something that is no std::exception";
  try {
    throw;
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    what = PlainText({text.data(), text.size()}, 1024);
  } catch (...) {
  }
  return "an exception crossed the boundary (" + what + "). Rebuild it with its SDK.";
}

}  // namespace sgw::core
