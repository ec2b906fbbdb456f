#include "core/plugin/spawner_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>

namespace sgw::core {
namespace {

using std::chrono::steady_clock;

struct Running {
  std::string id;
  std::chrono::milliseconds kill_after{5000};
  steady_clock::time_point kill_at{};  // set once it was asked to end
};

void CloseFrom(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  for (int fd = first; fd < 65536; ++fd) close(fd);
}

// In the child: becomes the program, or says why not through `report`.
[[noreturn]] void Become(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                         const std::string& directory, int output, int report) {
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // What this process ignores, the program must not: a JVM that starts with SIGTERM ignored never hears of it.
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(output, 1);
  dup2(output, 2);
  if (report != 3) {
    dup2(report, 3);
  }
  fcntl(3, F_SETFD, FD_CLOEXEC);
  CloseFrom(4);
  for (const std::string& one : environment) putenv(const_cast<char*>(one.c_str()));
  std::vector<char*> arguments;
  for (const std::string& one : argv) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  if (directory.empty() || chdir(directory.c_str()) == 0) execvp(arguments[0], arguments.data());
  const int error = errno;
  [[maybe_unused]] const auto written = write(3, &error, sizeof(error));
  _exit(127);
}

class Process {
 public:
  explicit Process(int socket) : socket_(socket) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  }

  [[noreturn]] void Run() {
    while (true) {
      pollfd polled[2] = {{socket_, POLLIN, 0}, {signals_, POLLIN, 0}};
      poll(polled, 2, NextTimeout());
      if (polled[1].revents & POLLIN) {
        signalfd_siginfo info;
        while (read(signals_, &info, sizeof(info)) > 0) {
        }
      }
      Reap();
      KillLate();
      if ((polled[0].revents & (POLLIN | POLLHUP | POLLERR)) && !ReadMessage()) Finish();
    }
  }

 private:
  int NextTimeout() const {
    int timeout = -1;
    for (const auto& [pid, running] : running_) {
      if (running.kill_at == steady_clock::time_point{}) continue;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(running.kill_at - steady_clock::now()).count();
      const int ms = left < 0 ? 0 : static_cast<int>(left);
      if (timeout < 0 || ms < timeout) timeout = ms;
    }
    return timeout;
  }

  void Send(const std::vector<std::string>& fields) const {
    const std::string message = PackFields(fields);
    [[maybe_unused]] const auto sent = send(socket_, message.data(), message.size(), MSG_NOSIGNAL);
  }

  bool ReadMessage() {
    static std::string buffer(256 * 1024, '\0');
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    const ssize_t size = recvmsg(socket_, &header, MSG_CMSG_CLOEXEC);
    if (size <= 0) return size < 0 && (errno == EINTR || errno == EAGAIN);
    int output = -1;
    for (cmsghdr* at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at)) {
      if (at->cmsg_type == SCM_RIGHTS) std::memcpy(&output, CMSG_DATA(at), sizeof(output));
    }
    const auto fields = UnpackFields(buffer.substr(0, static_cast<std::size_t>(size)));
    if (fields.size() >= 6 && fields[0] == "start") Start(fields, output);
    if (fields.size() == 2 && fields[0] == "end") End(fields[1]);
    if (output >= 0) close(output);
    return true;
  }

  void Start(const std::vector<std::string>& fields, int output) {
    std::size_t at = 4;
    const auto take = [&] {
      std::vector<std::string> list;
      const std::size_t count = std::stoul(fields.at(at++));
      for (std::size_t i = 0; i < count; ++i) list.push_back(fields.at(at++));
      return list;
    };
    const auto argv = take();
    const auto environment = take();
    int report[2];
    if (argv.empty() || pipe2(report, O_CLOEXEC) != 0) return Send({"failed", fields[1], "cannot make a pipe"});
    const pid_t pid = fork();
    if (pid == 0) Become(argv, environment, fields[3], output, report[1]);
    close(report[1]);
    int error = errno;
    // exec closes the pipe: nothing to read means that it runs.
    const bool has_failed = pid < 0 || read(report[0], &error, sizeof(error)) > 0;
    close(report[0]);
    if (pid > 0) setpgid(pid, pid);
    if (has_failed) {
      if (pid > 0) waitpid(pid, nullptr, 0);
      return Send({"failed", fields[1], "cannot start " + argv[0] + ": " + std::strerror(error)});
    }
    running_[pid] = {fields[1], std::chrono::milliseconds(std::stoul(fields[2])), {}};
    Send({"pid", fields[1], std::to_string(pid)});
  }

  void End(const std::string& id) {
    for (auto& [pid, running] : running_) {
      if (running.id != id || running.kill_at != steady_clock::time_point{}) continue;
      running.kill_at = steady_clock::now() + running.kill_after;
      kill(-pid, SIGTERM);
    }
  }

  void KillLate() {
    for (auto& [pid, running] : running_) {
      if (running.kill_at == steady_clock::time_point{} || running.kill_at > steady_clock::now()) continue;
      kill(-pid, SIGKILL);
      running.kill_at += std::chrono::seconds(1);
    }
  }

  void Reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto at = running_.find(pid);
      if (at == running_.end()) continue;
      // What it left in its group goes with it.
      kill(-pid, SIGKILL);
      Send({"exit", at->second.id, std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1),
            std::to_string(WIFSIGNALED(status) ? WTERMSIG(status) : 0)});
      running_.erase(at);
    }
  }

  // The gateway has gone: nothing that we made, or that was reparented to us, may stay.
  [[noreturn]] void Finish() {
    for (const auto& [pid, running] : running_) kill(-pid, SIGKILL);
    for (int round = 0; round < 200; ++round) {
      int status = 0;
      while (waitpid(-1, &status, WNOHANG) > 0) {
      }
      if (waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD) break;
      KillOwnChildren();
      usleep(10'000);
    }
    _exit(0);
  }

  // Descendants that left their group are our children once their parents are gone.
  static void KillOwnChildren() {
    const std::string mine = std::to_string(getpid());
    DIR* proc = opendir("/proc");
    if (!proc) return;
    while (const dirent* entry = readdir(proc)) {
      const int pid = std::atoi(entry->d_name);
      if (pid <= 0) continue;
      std::ifstream stat("/proc/" + std::string(entry->d_name) + "/stat");
      std::string line;
      std::getline(stat, line);
      const auto paren = line.rfind(')');
      if (paren == std::string::npos || paren + 4 >= line.size()) continue;
      const std::string rest = line.substr(paren + 4);  // after the state
      if (rest.substr(0, rest.find(' ')) == mine) kill(pid, SIGKILL);
    }
    closedir(proc);
  }

  const int socket_;
  int signals_ = -1;
  std::map<pid_t, Running> running_;
};

}  // namespace

std::string PackFields(const std::vector<std::string>& fields) {
  std::string message;
  for (const std::string& field : fields) message.append(field).push_back('\0');
  return message;
}

std::vector<std::string> UnpackFields(const std::string& message) {
  std::vector<std::string> fields;
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = message.find('\0', at);
    if (end == std::string::npos) break;
    fields.push_back(message.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

void RunSpawnerProcess(int socket) {
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, "sgw-spawner");
  // The gateway's own signals are not ours: it tells us when to end.
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) signal(signal_number, SIG_IGN);
  Process(socket).Run();
}

}  // namespace sgw::core
