#include <pthread.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <boost/program_options.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "core/app/commands.h"
#include "core/app/gateway.h"
#include "core/app/load_all.h"

namespace sgw::core {
namespace {

namespace po = boost::program_options;
using std::chrono::steady_clock;

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

void SetUpLog(const LogConfig& config) {
  auto logger = spdlog::stderr_color_mt("spark-gateway");
  if (config.is_json)
    logger->set_formatter(std::make_unique<JsonFormatter>());
  else
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%L%$ %v");
  logger->set_level(spdlog::level::from_str(config.level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

// As many descriptors as we may have: each call can need two.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool WritePorts(const Gateway::Ports& ports, const std::string& path) {
  JsonWriter json;
  json.BeginObject().Key("listeners").BeginArray();
  for (const auto& [name, address] : ports.listeners)
    json.BeginObject().Member("name", name).Member("address", address).EndObject();
  json.EndArray().Member("http", ports.http).Member("admin", ports.admin).EndObject();
  // Whoever waits for the file sees all of it or nothing.
  const std::string part = path + ".part";
  std::ofstream file(part);
  file << std::move(json).Text() << "\n";
  file.close();
  return file && std::rename(part.c_str(), path.c_str()) == 0;
}

// Waits for a signal of the set, at most until the deadline. 0: none came.
int AwaitSignal(const sigset_t& signals, steady_clock::time_point deadline) {
  while (true) {
    const auto left = deadline - steady_clock::now();
    if (left <= steady_clock::duration::zero()) return 0;
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    const timespec timeout{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    const int got = sigtimedwait(&signals, nullptr, &timeout);
    if (got > 0) return got;
    if (errno == EAGAIN) return 0;
  }
}

// The drain of an orderly end. A second signal ends the process at once; the spawner ends the children.
void Drain(Gateway& gateway, const sigset_t& signals) {
  const DrainConfig& drain = gateway.config().drain;
  const auto end_at_once = [] {
    spdlog::warn("second signal: ending at once");
    std::_Exit(1);
  };
  gateway.SetDraining();
  if (AwaitSignal(signals, steady_clock::now() + drain.delay) != 0) end_at_once();
  gateway.CloseDoor();
  const auto deadline = steady_clock::now() + drain.timeout;
  while (gateway.live_calls() > 0 && steady_clock::now() < deadline) {
    if (AwaitSignal(signals, std::min(deadline, steady_clock::now() + std::chrono::milliseconds(50))) != 0)
      end_at_once();
  }
  if (gateway.live_calls() > 0) spdlog::warn("{} calls did not end in time", gateway.live_calls());
}

}  // namespace

int Serve(const Words& words, Spawner* spawner) {
  po::options_description options("spark-gateway serve: takes Spark Connect calls and relays them.\n\nOptions");
  options.add_options()("help,h", "say this")("config,c", po::value<std::string>()->default_value(kDefaultConfig),
                                              "the configuration")(
      "to", po::value<std::string>(), "needs no file: relays 127.0.0.1:15002 to this one server")(
      "ports-file", po::value<std::string>(), "write the bound addresses here, as JSON, once it serves");
  po::variables_map values;
  try {
    po::store(po::command_line_parser(words).options(options).run(), values);
  } catch (const po::error& error) {
    std::cerr << "spark-gateway serve: " << error.what() << "\n" << options;
    return 2;
  }
  if (values.count("help")) {
    std::cout << options;
    return 0;
  }
  auto loaded =
      values.count("to") ? LoadFor(values["to"].as<std::string>()) : LoadAll(values["config"].as<std::string>());
  if (!loaded) return 2;
  SetUpLog(loaded->config.log);
  RaiseDescriptorLimit();

  // Before any thread is made, so that none of them takes a signal.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Gateway gateway(std::move(loaded->config), std::move(loaded->plugins), spawner);
  if (const Status status = gateway.Start(); !status.ok()) {
    spdlog::error("{}", status.message());
    // A plugin that hangs holds the control thread, and nothing of it can be ended in order.
    if (gateway.is_stuck()) std::_Exit(1);
    return 1;
  }
  if (values.count("ports-file") && !WritePorts(gateway.ports(), values["ports-file"].as<std::string>())) {
    spdlog::error("cannot write {}", values["ports-file"].as<std::string>());
    return 1;
  }
  spdlog::info("ready");
  int got = 0;
  while ((got = sigwaitinfo(&signals, nullptr)) < 0) {
  }
  spdlog::info("{}: draining", got == SIGINT ? "SIGINT" : "SIGTERM");
  Drain(gateway, signals);
  gateway.Stop();
  spdlog::info("stopped");
  return 0;
}

}  // namespace sgw::core
