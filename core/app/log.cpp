#include "core/app/log.h"

#include <poll.h>
#include <sgw/json.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

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

// stderr, without waiting for whoever reads it: lines that are not taken are dropped, and their number comes before the
// next one.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (dropped_ > 0) {
      const std::string told = std::to_string(dropped_) + " lines of the log were not taken, and are lost";
      spdlog::details::log_msg loss(message.logger_name, spdlog::level::warn, told);
      if (!Write(loss)) {
        ++dropped_;
        return;
      }
      dropped_ = 0;
    }
    if (!Write(message)) ++dropped_;
  }
  void flush_() override {}

  bool Write(const spdlog::details::log_msg& message) {
    spdlog::memory_buf_t line;
    if (is_inside_line_) line.push_back('\n');
    formatter_->format(message, line);
    std::string_view rest(line.data(), line.size());
    while (!rest.empty()) {
      // What can be written at all takes this much at once (poll(2), pipe(7)).
      const ssize_t size =
          CanWrite() ? write(STDERR_FILENO, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF)) : 0;
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) {
        is_inside_line_ = is_inside_line_ || rest.size() < line.size();
        return false;
      }
      rest.remove_prefix(static_cast<std::size_t>(size));
    }
    is_inside_line_ = false;
    return true;
  }

  static bool CanWrite() {
    pollfd one{STDERR_FILENO, POLLOUT, 0};
    return poll(&one, 1, 0) == 1 && (one.revents & POLLOUT) != 0;
  }

  std::size_t dropped_ = 0;
  bool is_inside_line_ = false;
};

}  // namespace

void SetUpLog(const LogConfig& config) {
  auto logger = std::make_shared<spdlog::logger>("spark-gateway", std::make_shared<StderrSink>());
  if (config.format == "json")
    logger->set_formatter(std::make_unique<JsonFormatter>());
  else
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %L %v");
  logger->set_level(spdlog::level::from_str(config.level));
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
