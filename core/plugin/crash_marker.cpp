#include "core/plugin/crash_marker.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace sgw::core {
namespace {

constexpr std::array kFatal = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

thread_local const CrashMarker* volatile current = nullptr;
std::array<struct sigaction, NSIG> earlier;

// Where the handler runs, on this thread: who has used up a stack has none left for it.
class SignalStack {
 public:
  SignalStack() {
    stack_t own{};
    // Somebody else's stays, such as a sanitizer's.
    if (sigaltstack(nullptr, &own) != 0 || (own.ss_flags & SS_DISABLE) == 0) return;
    memory_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory_ == MAP_FAILED) return;
    own = {memory_, 0, kBytes};
    sigaltstack(&own, nullptr);
  }
  ~SignalStack() {
    if (memory_ == MAP_FAILED) return;
    const stack_t none{nullptr, SS_DISABLE, 0};
    sigaltstack(&none, nullptr);
    munmap(memory_, kBytes);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  static constexpr std::size_t kBytes = 64 << 10;
  void* memory_ = MAP_FAILED;
};

// Only what is safe inside a signal handler.
void Say(const CrashMarker& marker, const char* what) {
  const auto part = [](const char* text, std::size_t size) { return iovec{const_cast<char*>(text), size}; };
  const auto word = [&](const char* text) { return part(text, std::strlen(text)); };
  const bool has_instance = marker.instance() != nullptr && !marker.instance()->empty();
  const std::array parts = {word("spark-gateway: "),
                            word(what),
                            word(" inside a plugin: "),
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
  if (const CrashMarker* marker = current) Say(*marker, "crashed");
  sigaction(signal, &earlier[static_cast<std::size_t>(signal)], nullptr);
  const bool was_sent = info->si_code <= 0;
  if (was_sent) raise(signal);
}

// A plugin that calls exit() would end the process as if all were well, under threads that still run.
void OnExit() {
  const CrashMarker* const marker = current;
  if (!marker) return;
  Say(*marker, "exit() was called");
  std::_Exit(1);
}

}  // namespace

CrashMarker::CrashMarker(const std::string& file, const char* phase) : CrashMarker(file, phase, nullptr) {}

CrashMarker::CrashMarker(const std::string& file, const char* phase, const std::string& instance)
    : CrashMarker(file, phase, &instance) {}

CrashMarker::CrashMarker(const std::string& file, const char* phase, const std::string* instance)
    : file_(file), instance_(instance), phase_(phase), outer_(current) {
  thread_local const SignalStack stack;
  current = this;
}

CrashMarker::~CrashMarker() { current = outer_; }

void CrashMarker::Install() {
  struct sigaction action {};
  action.sa_sigaction = OnFatalSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : kFatal) sigaction(signal, &action, &earlier[static_cast<std::size_t>(signal)]);
  std::atexit(OnExit);
}

}  // namespace sgw::core
