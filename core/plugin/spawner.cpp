#include "core/plugin/spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "core/plugin/spawner_process.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxLine = 8 * 1024;
// How much of one child's output is read before the others have their turn.
constexpr int kReadsPerTurn = 16;
// Everything is killed without asking, so what takes longer than this hangs in the kernel.
constexpr auto kPatience = std::chrono::seconds(5);

void Wake(int fd) { [[maybe_unused]] const auto written = write(fd, "x", 1); }

std::string Why(const std::string& what) { return what + ": " + std::strerror(errno); }

// What tells the process to start it, or why there can be no such child.
std::string StartMessage(std::uint64_t id, const ChildStart& start, std::string& error) {
  std::vector<std::string> fields = {"start", std::to_string(id), std::to_string(start.kill_after_ms),
                                     start.working_directory, std::to_string(start.argv.size())};
  fields.insert(fields.end(), start.argv.begin(), start.argv.end());
  fields.push_back(std::to_string(start.withheld.size()));
  fields.insert(fields.end(), start.withheld.begin(), start.withheld.end());
  fields.push_back(std::to_string(start.environment.size()));
  for (const auto& [name, value] : start.environment) fields.push_back(name + "=" + value);
  for (const std::string& field : fields) {
    if (field.find('\0') != std::string::npos) error = "its command or environment has a NUL byte";
  }
  std::string message = PackFields(fields);
  if (start.argv.empty() || start.argv[0].empty()) error = "it has no command";
  if (message.size() > kMaxMessage) error = "its command and environment are longer than 256 KiB";
  return message;
}

bool SendWithDescriptor(int socket, const std::string& message, int descriptor) {
  iovec part{const_cast<char*>(message.data()), message.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
  return sendmsg(socket, &header, MSG_NOSIGNAL) >= 0;
}

}  // namespace

struct Spawner::Child {
  ~Child() {
    if (output >= 0) close(output);
    if (file >= 0) close(file);
  }

  Events events;
  int output = -1;  // read end of its output; the reader's alone once the child is listed
  int file = -1;    // output_path
  std::string line;
  std::atomic<pid_t> pid{0};
};

std::unique_ptr<Spawner> Spawner::Fork() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return nullptr;
  const int size = 4 * static_cast<int>(kMaxMessage);
  for (const int fd : pair) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  const pid_t process = fork();
  if (process == 0) RunSpawnerProcess(pair[1]);
  close(pair[1]);
  if (process > 0) return std::unique_ptr<Spawner>(new Spawner(pair[0], process));
  close(pair[0]);
  return nullptr;
}

Spawner::Spawner(int socket, pid_t process) : socket_(socket), process_(process) {
  if (pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) wake_[0] = wake_[1] = -1;
  reader_ = std::thread([this] { Read(); });
}

Spawner::~Spawner() {
  is_ending_ = true;
  Wake(wake_[1]);
  reader_.join();
  close(socket_);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (waitpid(process_, nullptr, WNOHANG) == 0 && std::chrono::steady_clock::now() < deadline) usleep(2'000);
  close(wake_[0]);
  close(wake_[1]);
}

void Spawner::Start(std::uint64_t id, const ChildStart& start, Events events) {
  const auto child = std::make_shared<Child>();
  child->events = std::move(events);
  int output[2] = {-1, -1};
  std::string error;
  const std::string message = StartMessage(id, start, error);
  if (error.empty() && pipe2(output, O_CLOEXEC) != 0) error = Why("cannot make a pipe");
  child->output = output[0];
  if (error.empty() && !start.output_path.empty()) {
    child->file = open(start.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (child->file < 0) error = Why("cannot open " + start.output_path);
  }
  bool is_listed = false;
  if (error.empty()) {
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    {
      const std::lock_guard lock(mutex_);
      is_listed = children_.emplace(id, child).second;
    }
    if (!SendWithDescriptor(socket_, message, output[1]))
      error = Why("the process that makes children does not answer");
  }
  if (output[1] >= 0) close(output[1]);
  if (error.empty()) return Wake(wake_[1]);
  if (is_listed && !Take(id)) return;  // OnProcessGone was quicker, and has told its end
  child->events.on_end({-1, 0, error});
}

void Spawner::End(std::uint64_t id) {
  const std::string message = PackFields({"end", std::to_string(id)});
  [[maybe_unused]] const auto sent = send(socket_, message.data(), message.size(), MSG_NOSIGNAL);
}

pid_t Spawner::PidOf(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto at = children_.find(id);
  return at == children_.end() ? 0 : at->second->pid.load();
}

std::shared_ptr<Spawner::Child> Spawner::Take(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto taken = children_.extract(id);
  return taken ? taken.mapped() : nullptr;
}

void Spawner::Read() {
  pthread_setname_np(pthread_self(), "children");
  std::string buffer(64 * 1024, '\0');
  while (!is_ending_) {
    std::vector<pollfd> polled = {{socket_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    std::vector<std::shared_ptr<Child>> children;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, child] : children_) {
        if (child->output < 0) continue;
        children.push_back(child);
        polled.push_back({child->output, POLLIN, 0});
      }
    }
    poll(polled.data(), polled.size(), -1);
    if (polled[1].revents) {
      while (read(wake_[0], buffer.data(), buffer.size()) > 0) {
      }
    }
    // Output first: the last lines come before the end.
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (polled[i + 2].revents) OnOutput(*children[i]);
    }
    if (polled[0].revents) {
      const ssize_t size = recv(socket_, buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return OnProcessGone();
      OnMessage(buffer.substr(0, static_cast<std::size_t>(size)));
    }
  }
}

void Spawner::OnOutput(Child& child) {
  char bytes[16 * 1024];
  for (int i = 0; i < kReadsPerTurn && child.output >= 0; ++i) {
    const ssize_t size = read(child.output, bytes, sizeof(bytes));
    if (size < 0) return;  // nothing more for now
    if (size == 0) {
      close(child.output);
      child.output = -1;
      return;
    }
    if (child.file >= 0) {
      [[maybe_unused]] const auto written = write(child.file, bytes, static_cast<std::size_t>(size));
    }
    for (ssize_t at = 0; at < size; ++at) {
      if (bytes[at] == '\n') {
        child.events.on_line(std::exchange(child.line, {}));
      } else if (child.line.size() < kMaxLine && bytes[at] != '\r') {
        child.line += bytes[at];
      }
    }
  }
}

void Spawner::OnMessage(const std::string& message) {
  const auto fields = UnpackFields(message);
  if (fields.size() < 3) return;
  const std::uint64_t id = std::stoull(fields[1]);
  if (fields[0] == "pid") {
    const std::lock_guard lock(mutex_);
    if (const auto at = children_.find(id); at != children_.end()) at->second->pid = std::stoi(fields[2]);
    return;
  }
  const std::shared_ptr<Child> child = Take(id);
  if (!child) return;
  OnOutput(*child);
  if (!child->line.empty()) child->events.on_line(std::exchange(child->line, {}));
  ChildEnd end;
  if (fields[0] == "exit" && fields.size() >= 4) {
    end.exit_code = std::stoi(fields[2]);
    end.signal = std::stoi(fields[3]);
  } else {
    end.error = fields[2];
  }
  child->events.on_end(std::move(end));
}

// Each keeper has ended its child and said so; what is left here was never started.
void Spawner::OnProcessGone() {
  spdlog::error(
      "the process that makes children was ended, and its children with it; until a restart there are no new");
  std::map<std::uint64_t, std::shared_ptr<Child>> children;
  {
    const std::lock_guard lock(mutex_);
    children.swap(children_);
  }
  for (const auto& [id, child] : children) {
    child->events.on_end({-1, 0, "the process that makes children was ended"});
  }
}

}  // namespace sgw::core
