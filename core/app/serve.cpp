#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

#include "core/app/gateway.h"
#include "core/app/load_all.h"
#include "core/app/log.h"
#include "core/app/usage.h"

namespace sgw::core {
namespace {

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
  // Whether the first has come. Any thread.
  bool has_come() const { return asked_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

 private:
  std::promise<std::string> first_;
  std::future<std::string> asked_ = first_.get_future();
};

void Drain(Gateway& gateway) {
  const DrainConfig& drain = gateway.config().drain;
  gateway.SetDraining();
  std::this_thread::sleep_for(drain.delay);
  gateway.CloseDoor();
  gateway.AwaitCalls(drain.timeout);
  if (gateway.live_calls() > 0) spdlog::warn("{} calls did not end in time", gateway.live_calls());
}

// The exit code.
int End(Gateway& gateway) {
  gateway.Stop();
  if (gateway.is_stuck()) {
    spdlog::error("a plugin hangs, so the end is not an orderly one");
    std::_Exit(1);
  }
  spdlog::info("stopped");
  return 0;
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int Serve(const Words& words, Spawner* spawner) {
  Usage usage("serve", "takes Spark Connect calls and relays them");
  namespace po = boost::program_options;
  usage.Options()("config,c", po::value<std::string>(),
                  (std::string("the configuration; ") + kDefaultConfig + " where it is not given").c_str())(
      "to", po::value<std::string>(), "needs no file: relays 127.0.0.1:15002 to this one server, host:port")(
      "ports-file", po::value<std::string>(), "write the bound addresses here, as JSON, once it serves");
  if (const auto code = usage.Read(words)) return *code;
  if (usage.Has("to") && usage.Has("config")) return usage.Wrong("either --to or --config: --to needs no file");
  Signals signals;
  const std::string ports_file = usage.Text("ports-file");
  const std::string to = usage.Text("to");
  const std::string file = usage.Has("config") ? usage.Text("config") : kDefaultConfig;
  Complaints complaints(usage.Has("to") ? "--to " + to : file);
  Loaded loaded = usage.Has("to") ? LoadFor(to, complaints) : LoadAll(file, complaints);
  const LogConfig log = loaded.config.log;
  SetUpLog(log);
  Say(complaints, log);
  if (complaints.has_errors()) {
    if (!usage.Has("to") && !usage.Has("config") && access(kDefaultConfig, F_OK) != 0) {
      spdlog::error("name another file with --config, or serve one server without a file: serve --to HOST:PORT");
    }
    return 2;
  }
  RaiseDescriptorLimit();
  // As the spawner: what our environment has is for us alone. No core is dumped then.
  if (!loaded.config.secret_variables.empty()) prctl(PR_SET_DUMPABLE, 0);
  std::signal(SIGPIPE, SIG_IGN);

  Gateway gateway(std::move(loaded.config), std::move(loaded.plugins), spawner);
  Complaints at_start(complaints.file());
  const Status started = gateway.Start(at_start, [&signals] { return signals.has_come(); });
  if (started.code() == StatusCode::kCancelled && signals.has_come()) {
    spdlog::info("{}: ending before it served", signals.Await());
    return End(gateway);
  }
  if (!started.ok()) {
    Say(at_start, log);
    if (!at_start.has_errors() || gateway.is_stuck()) spdlog::error("{}", started.message());
    if (usage.Has("to") && !at_start.has_errors())
      spdlog::error(
          "the addresses of `serve --to` are fixed; write a configuration for `serve --config` to have others");
    const int code = at_start.has_errors() ? 2 : 1;
    // A plugin that hangs holds a thread, and nothing of it can be ended in order.
    if (!gateway.is_stuck()) gateway.Stop();
    if (gateway.is_stuck()) std::_Exit(code);
    return code;
  }
  if (!ports_file.empty() && !WritePorts(gateway.ports(), ports_file)) {
    spdlog::error("cannot write {}", ports_file);
    return 1;
  }
  spdlog::info("ready");
  spdlog::info("{}: draining", signals.Await());
  Drain(gateway);
  return End(gateway);
}

}  // namespace sgw::core
