#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "core/app/gateway.h"
#include "core/app/load_all.h"
#include "core/app/log.h"
#include "core/app/usage.h"

namespace sgw::core {
namespace {

// Certificates against their keys, what is to be written, and the plugins' own checks: each is made and none is
// started, in a process of its own, so that what a plugin does there stays there. Says everything; the exit code.
int CheckDeeply(const Loaded& loaded, Complaints& complaints) {
  CheckFiles(loaded.config, complaints);
  // Gets a byte when the child has come to its end: a plugin may end it as if all were well.
  int told[2] = {-1, -1};
  const pid_t child = pipe2(told, O_CLOEXEC | O_NONBLOCK) == 0 ? fork() : -1;
  if (child == 0) {
    CrashMarker::Install();
    SetUpLog({.level = "warning"});
    MetricsRegistry metrics;
    Worker control("control");
    control.Start();
    HostServices services(metrics, control, nullptr);
    services.exposure = ExposureOf(loaded.config);
    const auto generation = Generation::Create(loaded.config, loaded.plugins, services, complaints);
    if (services.is_control_stuck) complaints.Error({}, generation.status().message());
    std::cerr << complaints.Text() << std::flush;
    _exit(write(told[1], "", 1) != 1 ? 1 : complaints.has_errors() ? 2 : 0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    std::cerr << complaints.Text() << "spark-gateway check: cannot make a process: " << std::strerror(errno) << "\n";
    return 1;
  }
  char byte = 0;
  const bool has_come_to_its_end = read(told[0], &byte, 1) == 1;
  if (WIFEXITED(status) && has_come_to_its_end) return WEXITSTATUS(status);
  std::cerr << complaints.Text() << complaints.file() << ": creating the plugins ended "
            << (WIFEXITED(status) ? "their process: one of them exits"
                                  : "with signal " + std::to_string(WTERMSIG(status)))
            << "\n";
  return 2;
}

}  // namespace

int Check(const Words& words) {
  Usage usage("check [FILE]", std::string("says what is wrong with a configuration; FILE is ") + kDefaultConfig +
                                  " where it is not given");
  usage.Options()("deep", "also look at files, certificates and keys, and create every plugin without listening");
  usage.TakesWords(1);
  if (const auto code = usage.Read(words)) return *code;
  const std::string file = usage.words().empty() ? kDefaultConfig : usage.words().front();
  Complaints complaints(file);
  const Loaded loaded = LoadAll(file, complaints);
  if (usage.Has("deep") && !complaints.has_errors()) {
    if (const int code = CheckDeeply(loaded, complaints); code != 0) return code;
  } else {
    std::cerr << complaints.Text() << std::flush;
    if (complaints.has_errors()) return 2;
  }
  std::cout << file << ": good\n";
  return 0;
}

}  // namespace sgw::core
