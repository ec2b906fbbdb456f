#include "core/plugin/spawner_keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "core/plugin/descendants.h"
#include "core/plugin/spawner_process.h"

namespace sgw::core {
namespace {

using std::chrono::steady_clock;

// The kernel's word that the spawner has died.
constexpr int kSpawnerDied = SIGUSR1;

// In the child: becomes the program, or says why not through `report`.
[[noreturn]] void Become(const KeptChild& child, int output, int report) {
  setpgid(0, 0);
  // What we ignore or block, the program must not: a JVM that starts with SIGTERM ignored never hears of it.
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(output, 1);
  dup2(output, 2);
  dup2(report, 3);
  fcntl(3, F_SETFD, FD_CLOEXEC);
  CloseFrom(4);
  for (const std::string& one : child.withheld) unsetenv(one.c_str());
  for (const std::string& one : child.environment) putenv(const_cast<char*>(one.c_str()));
  std::vector<char*> arguments;
  for (const std::string& one : child.argv) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  if (child.directory.empty() || chdir(child.directory.c_str()) == 0) execvp(arguments[0], arguments.data());
  const int error = errno;
  [[maybe_unused]] const auto written = write(3, &error, sizeof(error));
  _exit(127);
}

class Keeper {
 public:
  Keeper(const KeptChild& child, int socket) : child_(child), socket_(socket) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGCHLD, SIGTERM, kSpawnerDied}) sigaddset(&set, number);
    signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  }

  void Start(int output) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return Fail(errno);
    pid_ = fork();
    if (pid_ == 0) Become(child_, output, report[1]);
    int error = errno;
    close(output);
    close(report[1]);
    // exec closes the pipe: nothing to read means that it runs.
    const bool has_failed = pid_ < 0 || read(report[0], &error, sizeof(error)) > 0;
    close(report[0]);
    if (has_failed) return Fail(error);
    setpgid(pid_, pid_);
    SendFields(socket_, {"pid", child_.id, std::to_string(pid_)});
  }

  void Run() {
    while (!has_ended_) {
      // A socket that the gateway has closed is ready for ever: looked at again, it would keep a core busy until the
      // kernel is done with what was killed.
      pollfd polled[2] = {{is_alone_ ? -1 : socket_, 0, 0}, {signals_, POLLIN, 0}};
      poll(polled, 2, MsUntilKill());
      const bool was_alone = is_alone_;
      if (polled[0].revents & (POLLHUP | POLLERR)) is_alone_ = true;
      signalfd_siginfo info;
      while (read(signals_, &info, sizeof(info)) > 0) {
        if (info.ssi_signo == static_cast<unsigned>(SIGTERM)) End();
        if (info.ssi_signo == static_cast<unsigned>(kSpawnerDied)) is_alone_ = true;
      }
      if (is_alone_ != was_alone || MsUntilKill() == 0) Kill();
      Reap();
    }
  }

 private:
  void Fail(int error) {
    SendFields(socket_,
               {"failed", child_.id, "cannot start " + child_.argv[0].substr(0, 1'000) + ": " + std::strerror(error)});
    has_ended_ = true;
  }

  int MsUntilKill() const {
    if (!kill_at_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*kill_at_ - steady_clock::now()).count();
    return static_cast<int>(std::clamp<long>(left, 0, 1'000'000));
  }

  void End() {
    if (kill_at_) return;
    kill_at_ = steady_clock::now() + child_.kill_after;
    kill(-pid_, SIGTERM);
  }

  // All of it at once: a JVM takes its time to go, and what has left its group need not wait for that.
  void Kill() {
    kill(-pid_, SIGKILL);
    KillDescendants({});
    kill_at_ = steady_clock::now() + std::chrono::seconds(1);
  }

  void Reap() {
    siginfo_t info{};
    // Not yet reaped, it still holds its group's number: what it left there goes with it.
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
      has_ended_ = info.si_pid == pid_;
      if (has_ended_) kill(-pid_, SIGKILL);
      int status = 0;
      waitpid(info.si_pid, &status, 0);
      if (has_ended_) {
        return SendFields(socket_, {"exit", child_.id, std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1),
                                    std::to_string(WIFSIGNALED(status) ? WTERMSIG(status) : 0)});
      }
      info = {};
    }
  }

  const KeptChild& child_;
  const int socket_;
  int signals_ = -1;
  pid_t pid_ = -1;
  bool has_ended_ = false;
  bool is_alone_ = false;                            // the gateway or the spawner has gone
  std::optional<steady_clock::time_point> kill_at_;  // once it was asked to end
};

}  // namespace

void RunKeeper(const KeptChild& child, int socket, int output, int spawner) noexcept {
  setpgid(0, 0);
  prctl(PR_SET_NAME, "sgw-keeper");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_PDEATHSIG, kSpawnerDied);
  if (getppid() != spawner) _exit(1);
  Keeper keeper(child, socket);
  keeper.Start(output);
  keeper.Run();
  // What left the child's group is ours now; it may be forking.
  for (useconds_t pause = 1'000;; pause = std::min<useconds_t>(2 * pause, 50'000)) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) _exit(0);
    KillDescendants({});
    usleep(pause);
  }
}

}  // namespace sgw::core
