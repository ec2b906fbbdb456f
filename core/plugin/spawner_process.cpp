#include "core/plugin/spawner_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <map>

#include "core/plugin/descendants.h"
#include "core/plugin/spawner_keeper.h"

namespace sgw::core {
namespace {

constexpr int kSocket = 3;
constexpr int kMsBetweenSweeps = 20;

// The gateway's own signals are not ours, it tells us when to end; keepers wait for some of them. Blocked, none is lost
// between a keeper's fork and its first look.
int ChildSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  const int signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signals;
}

class Process {
 public:
  [[noreturn]] void Run() {
    while (has_gateway_ || !keepers_.empty() || has_orphans_) {
      pollfd polled[2] = {{has_gateway_ ? kSocket : -1, POLLIN, 0}, {signals_, POLLIN, 0}};
      poll(polled, 2, has_orphans_ ? kMsBetweenSweeps : -1);
      signalfd_siginfo info;
      while (read(signals_, &info, sizeof(info)) > 0) {
      }
      Reap();
      if (has_orphans_) has_orphans_ = KillDescendants(Keepers());
      if (polled[0].revents) has_gateway_ = ReadMessage();
    }
    _exit(0);
  }

 private:
  bool ReadMessage() {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{buffer_.data(), buffer_.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    const ssize_t size = recvmsg(kSocket, &header, MSG_CMSG_CLOEXEC);
    if (size <= 0) return size < 0 && (errno == EINTR || errno == EAGAIN);
    int output = -1;
    for (cmsghdr* at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at)) {
      if (at->cmsg_type == SCM_RIGHTS) std::memcpy(&output, CMSG_DATA(at), sizeof(output));
    }
    const auto fields = UnpackFields(buffer_.substr(0, static_cast<std::size_t>(size)));
    try {
      if (fields.size() >= 7 && fields[0] == "start") Start(fields, output);
      if (fields.size() == 2 && fields[0] == "end") End(fields[1]);
    } catch (const std::exception& error) {
      if (fields.size() > 1) SendFields(kSocket, {"failed", fields[1], std::string("not understood: ") + error.what()});
    }
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
    KeptChild child{fields[1], std::chrono::milliseconds(std::stoul(fields[2])), fields[3], take(), {}, {}};
    child.withheld = take();
    child.environment = take();
    const pid_t self = getpid();
    const pid_t keeper = fork();
    if (keeper == 0) {
      close(signals_);
      RunKeeper(child, kSocket, output, self);
    }
    if (keeper > 0) {
      keepers_[keeper] = fields[1];
    } else {
      SendFields(kSocket, {"failed", fields[1], std::string("cannot fork: ") + std::strerror(errno)});
    }
  }

  void End(const std::string& id) {
    for (const auto& [keeper, kept] : keepers_) {
      if (kept == id) kill(keeper, SIGTERM);
    }
  }

  void Reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto at = keepers_.find(pid);
      if (at == keepers_.end()) continue;
      if (status != 0) {
        // Somebody killed it, and what it kept has come to us.
        SendFields(kSocket, {"exit", at->second, "-1", std::to_string(SIGKILL)});
        has_orphans_ = true;
      }
      keepers_.erase(at);
    }
  }

  std::vector<int> Keepers() const {
    std::vector<int> keepers;
    for (const auto& [keeper, id] : keepers_) keepers.push_back(keeper);
    return keepers;
  }

  const int signals_ = ChildSignals();
  std::string buffer_ = std::string(kMaxMessage, '\0');
  std::map<pid_t, std::string> keepers_;  // and the child of each
  bool has_gateway_ = true;
  bool has_orphans_ = false;
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

void SendFields(int socket, const std::vector<std::string>& fields) {
  const std::string message = PackFields(fields);
  [[maybe_unused]] const auto sent = send(socket, message.data(), message.size(), MSG_NOSIGNAL);
}

void CloseFrom(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  for (int fd = first; fd < 65536; ++fd) close(fd);
}

void RunSpawnerProcess(int socket) {
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, "sgw-spawner");
  // A child that runs as we do cannot read our environment, which may have secrets that are withheld from its own. The
  // keepers inherit this; a program that is executed does not.
  prctl(PR_SET_DUMPABLE, 0);
  // Of the gateway's descriptors only the standard ones stay, which are there in any case.
  int null = 0;
  while (null >= 0 && null < kSocket) null = open("/dev/null", O_RDWR);
  dup2(socket, kSocket);
  fcntl(kSocket, F_SETFD, FD_CLOEXEC);
  CloseFrom(kSocket + 1);
  Process().Run();
}

}  // namespace sgw::core
