#include "core/plugin/crash_marker.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

namespace sgw::core {
namespace {

constexpr std::array kFatal = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

thread_local const CrashMarker* volatile current = nullptr;
std::array<struct sigaction, NSIG> earlier;

// Only what is safe inside a signal handler.
void Say(const CrashMarker& marker) {
  const auto part = [](const char* text, std::size_t size) { return iovec{const_cast<char*>(text), size}; };
  const auto word = [&](const char* text) { return part(text, std::strlen(text)); };
  const bool has_instance = marker.instance() != nullptr && !marker.instance()->empty();
  const std::array parts = {word("spark-gateway: crashed inside a plugin: "),
                            part(marker.file().data(), marker.file().size()),
                            word(": "),
                            word(marker.phase()),
                            word(has_instance ? " '" : ""),
                            has_instance ? part(marker.instance()->data(), marker.instance()->size()) : word(""),
                            word(has_instance ? "'\n" : "\n")};
  [[maybe_unused]] const auto written = writev(STDERR_FILENO, parts.data(), static_cast<int>(parts.size()));
}

// Puts the earlier handler back and lets the fault happen again: a core dump shows the place, a sanitizer its report.
void OnFatalSignal(int signal, siginfo_t* info, void*) {
  if (const CrashMarker* marker = current) Say(*marker);
  sigaction(signal, &earlier[static_cast<std::size_t>(signal)], nullptr);
  const bool was_sent = info->si_code <= 0;
  if (was_sent) raise(signal);
}

}  // namespace

CrashMarker::CrashMarker(const std::string& file, const char* phase)
    : file_(file), instance_(nullptr), phase_(phase), outer_(current) {
  current = this;
}

CrashMarker::CrashMarker(const std::string& file, const char* phase, const std::string& instance)
    : file_(file), instance_(&instance), phase_(phase), outer_(current) {
  current = this;
}

CrashMarker::~CrashMarker() { current = outer_; }

void CrashMarker::Install() {
  struct sigaction action {};
  action.sa_sigaction = OnFatalSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : kFatal) sigaction(signal, &action, &earlier[static_cast<std::size_t>(signal)]);
}

}  // namespace sgw::core
