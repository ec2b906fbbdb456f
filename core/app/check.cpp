#include <sys/wait.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <iostream>

#include "core/app/commands.h"
#include "core/app/load_all.h"
#include "core/http2/tls.h"

namespace sgw::core {
namespace {

namespace po = boost::program_options;

// Makes every plugin and starts none, in a process of its own: what a plugin does there stays there.
int CreateInChild(const Loaded& loaded) {
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    CrashMarker::Install();
    MetricsRegistry metrics;
    Worker control("control");
    control.Start();
    HostServices services(metrics, control, nullptr);
    int code = 0;
    {
      const auto generation = Generation::Create(loaded.config, loaded.plugins, services);
      if (!generation) {
        std::cerr << loaded.config.file << ": " << generation.status().message() << "\n";
        code = 2;
      }
    }
    std::cerr.flush();
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

}  // namespace

int Check(const Words& words) {
  po::options_description options("spark-gateway check FILE: says what is wrong with a configuration.\n\nOptions");
  options.add_options()("help,h", "say this")(
      "deep", "also look at certificates and keys, and create every plugin without listening")(
      "file", po::value<std::string>(), "the configuration");
  po::positional_options_description positional;
  positional.add("file", 1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(words).options(options).positional(positional).run(), values);
  } catch (const po::error& error) {
    std::cerr << "spark-gateway check: " << error.what() << "\n" << options;
    return 2;
  }
  if (values.count("help")) {
    std::cout << options;
    return 0;
  }
  const std::string file = values.count("file") ? values["file"].as<std::string>() : kDefaultConfig;
  const auto loaded = LoadAll(file);
  if (!loaded) return 2;
  int code = 0;
  if (values.count("deep")) {
    for (const ListenerConfig& listener : loaded->config.listeners) {
      if (!listener.has_tls()) continue;
      const auto tls = TlsServerContext::Load(listener.certificate, listener.key);
      if (tls) continue;
      std::cerr << file << ":" << listener.place.line << ":" << listener.place.column << ": " << tls.status().message()
                << "\n";
      code = 2;
    }
    if (const int created = CreateInChild(*loaded); created != 0) code = created;
  }
  if (code == 0) std::cout << file << ": good\n";
  return code;
}

}  // namespace sgw::core
