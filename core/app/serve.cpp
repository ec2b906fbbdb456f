#include <pthread.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

#include "core/app/gateway.h"
#include "core/app/load_all.h"
#include "core/app/usage.h"

namespace sgw::core {
namespace {

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
  if (config.format == "json")
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

sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// SIGTERM and SIGINT, which are blocked: the first asks for an orderly end, the second ends the process at once,
// whatever it is doing; the spawner ends the children.
class Signals {
 public:
  Signals() {
    // Lives as long as the process.
    std::thread([signals = EndingSignals(), first = std::move(first_)]() mutable {
      int got = 0;
      sigwait(&signals, &got);
      first.set_value(got == SIGINT ? "SIGINT" : "SIGTERM");
      sigwait(&signals, &got);
      spdlog::warn("second signal: ending at once");
      std::_Exit(1);
    }).detach();
  }

  std::string Await() { return asked_.get(); }

 private:
  std::promise<std::string> first_;
  std::future<std::string> asked_ = first_.get_future();
};

void Drain(Gateway& gateway) {
  const DrainConfig& drain = gateway.config().drain;
  gateway.SetDraining();
  std::this_thread::sleep_for(drain.delay);
  gateway.CloseDoor();
  const auto deadline = steady_clock::now() + drain.timeout;
  while (gateway.live_calls() > 0 && steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (gateway.live_calls() > 0) spdlog::warn("{} calls did not end in time", gateway.live_calls());
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int Serve(const Words& words, Spawner* spawner) {
  Usage usage("serve", "takes Spark Connect calls and relays them");
  namespace po = boost::program_options;
  usage.Options()("config,c", po::value<std::string>()->default_value(kDefaultConfig), "the configuration")(
      "to", po::value<std::string>(), "needs no file: relays 127.0.0.1:15002 to this one server, host:port")(
      "ports-file", po::value<std::string>(), "write the bound addresses here, as JSON, once it serves");
  if (const auto code = usage.Read(words)) return *code;
  Signals signals;
  const std::string ports_file = usage.Text("ports-file");
  auto loaded = usage.Has("to") ? LoadFor(usage.Text("to")) : LoadAll(usage.Text("config"));
  if (!loaded) return 2;
  SetUpLog(loaded->config.log);
  RaiseDescriptorLimit();
  std::signal(SIGPIPE, SIG_IGN);

  Gateway gateway(std::move(loaded->config), std::move(loaded->plugins), spawner);
  if (const Status status = gateway.Start(); !status.ok()) {
    spdlog::error("{}", status.message());
    // A plugin that hangs holds the control thread, and nothing of it can be ended in order.
    if (gateway.is_stuck()) std::_Exit(1);
    return 1;
  }
  if (!ports_file.empty() && !WritePorts(gateway.ports(), ports_file)) {
    spdlog::error("cannot write {}", ports_file);
    return 1;
  }
  spdlog::info("ready");
  spdlog::info("{}: draining", signals.Await());
  Drain(gateway);
  gateway.Stop();
  if (gateway.is_stuck()) {
    spdlog::error("a plugin hangs, so the end is not an orderly one");
    std::_Exit(1);
  }
  spdlog::info("stopped");
  return 0;
}

}  // namespace sgw::core
