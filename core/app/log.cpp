#include "core/app/log.h"

#include <sgw/json.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>

namespace sgw::core {
namespace {

// A log line as JSON: every control byte and quote escaped.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
    JsonWriter json;
    json.BeginObject().Member("time_unix_ms", ms);
    const auto level = spdlog::level::to_string_view(message.level);
    json.Member("level", std::string_view(level.data(), level.size()));
    json.Member("message", std::string_view(message.payload.data(), message.payload.size())).EndObject();
    const std::string line = std::move(json).Text() + "\n";
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

}  // namespace

void SetUpLog(const LogConfig& config) {
  auto logger = spdlog::stderr_color_mt("spark-gateway");
  if (config.format == "json")
    logger->set_formatter(std::make_unique<JsonFormatter>());
  else
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%L%$ %v");
  logger->set_level(spdlog::level::from_str(config.level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void Say(const Complaints& complaints, const LogConfig& config) {
  if (config.format != "json") {
    std::fputs(complaints.Text().c_str(), stderr);
    return;
  }
  for (const Complaints::Line& line : complaints.Lines())
    spdlog::log(line.is_warning ? spdlog::level::warn : spdlog::level::err, "{}", line.text);
}

}  // namespace sgw::core
