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

std::string InstanceLife::Plain(sgw_view text, std::size_t max_bytes) const {
  if (!secrets_.has_any()) return PlainText(text, max_bytes);
  // Before it is cut, which could be within a secret.
  const std::string shown = secrets_.Hide(TextOf(text), SecretTexts::Which::kAlsoCut);
  return PlainText({shown.data(), shown.size()}, max_bytes);
}

Status InstanceLife::WithoutSecrets(const sgw_status* raw, SecretTexts::Which which) const {
  Status status = StatusOf(raw);
  if (status.ok() || !secrets_.has_any()) return status;
  std::string shown = secrets_.Hide(status.message(), which);
  if (const auto pause = status.retry_delay()) return {status.code(), std::move(shown), RetryIn(*pause)};
  return {status.code(), std::move(shown)};
}

void InstanceLife::Threw(const char* phase, std::string* what) const {
  Count("threw");
  const std::string crossed = secrets_.Hide(CrossedBoundary());
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
