#include "core/plugin/spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/plugin/spawner_process.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxLine = 8 * 1024;

}  // namespace

struct Spawner::Child {
  Events events;
  int output = -1;  // read end of its output
  int file = -1;    // output_path
  std::string line;
  std::atomic<pid_t> pid{0};
};

std::unique_ptr<Spawner> Spawner::Fork() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return nullptr;
  const int size = 1 << 20;
  for (const int fd : pair) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  const pid_t process = fork();
  if (process < 0) return nullptr;
  if (process == 0) {
    close(pair[0]);
    RunSpawnerProcess(pair[1]);
  }
  close(pair[1]);
  return std::unique_ptr<Spawner>(new Spawner(pair[0], process));
}

Spawner::Spawner(int socket, pid_t process) : socket_(socket), process_(process) {
  if (pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) wake_[0] = wake_[1] = -1;
  reader_ = std::thread([this] { Read(); });
}

Spawner::~Spawner() {
  is_ending_ = true;
  [[maybe_unused]] const auto written = write(wake_[1], "x", 1);
  reader_.join();
  close(socket_);
  waitpid(process_, nullptr, 0);
  close(wake_[0]);
  close(wake_[1]);
}

void Spawner::Start(std::uint64_t id, const ChildStart& start, Events events) {
  auto child = std::make_shared<Child>();
  child->events = std::move(events);
  int output[2] = {-1, -1};
  std::string error;
  if (pipe2(output, O_CLOEXEC) != 0) error = std::string("cannot make a pipe: ") + std::strerror(errno);
  if (error.empty() && !start.output_path.empty()) {
    child->file = open(start.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (child->file < 0) error = "cannot open " + start.output_path + ": " + std::strerror(errno);
  }
  std::vector<std::string> fields = {"start", std::to_string(id), std::to_string(start.kill_after_ms),
                                     start.working_directory, std::to_string(start.argv.size())};
  fields.insert(fields.end(), start.argv.begin(), start.argv.end());
  fields.push_back(std::to_string(start.environment.size()));
  for (const auto& [name, value] : start.environment) fields.push_back(name + "=" + value);
  const std::string message = PackFields(fields);

  child->output = output[0];
  if (error.empty()) {
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    const std::lock_guard lock(mutex_);
    children_[id] = child;
    iovec part{const_cast<char*>(message.data()), message.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &output[1], sizeof(int));
    if (sendmsg(socket_, &header, MSG_NOSIGNAL) < 0) {
      error = std::string("the spawner does not answer: ") + std::strerror(errno);
      children_.erase(id);
    }
  }
  if (output[1] >= 0) close(output[1]);
  if (!error.empty()) {
    if (child->output >= 0) close(child->output);
    if (child->file >= 0) close(child->file);
    child->events.on_end({-1, 0, error});
    return;
  }
  [[maybe_unused]] const auto written = write(wake_[1], "x", 1);
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

void Spawner::Read() {
  std::string buffer(64 * 1024, '\0');
  while (!is_ending_) {
    std::vector<pollfd> polled = {{socket_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    std::vector<std::pair<std::uint64_t, std::shared_ptr<Child>>> children;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, child] : children_) {
        if (child->output < 0) continue;
        children.emplace_back(id, child);
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
      if (polled[i + 2].revents) OnOutput(children[i].first, *children[i].second);
    }
    if (polled[0].revents) {
      const ssize_t size = recv(socket_, buffer.data(), buffer.size(), 0);
      if (size <= 0) return;
      OnMessage(buffer.substr(0, static_cast<std::size_t>(size)));
    }
  }
}

void Spawner::OnOutput(std::uint64_t, Child& child) {
  char bytes[16 * 1024];
  while (true) {
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
    for (ssize_t i = 0; i < size; ++i) {
      if (bytes[i] == '\n') {
        child.events.on_line(std::exchange(child.line, {}));
      } else if (child.line.size() < kMaxLine && bytes[i] != '\r') {
        child.line += bytes[i];
      }
    }
  }
}

void Spawner::OnMessage(const std::string& message) {
  const auto fields = UnpackFields(message);
  if (fields.size() < 3) return;
  const std::uint64_t id = std::stoull(fields[1]);
  std::shared_ptr<Child> child;
  {
    const std::lock_guard lock(mutex_);
    const auto at = children_.find(id);
    if (at == children_.end()) return;
    child = at->second;
    if (fields[0] == "pid") {
      child->pid = static_cast<pid_t>(std::stol(fields[2]));
      return;
    }
    children_.erase(at);
  }
  child->pid = 0;
  if (child->output >= 0) OnOutput(id, *child);
  if (!child->line.empty()) child->events.on_line(std::exchange(child->line, {}));
  if (child->output >= 0) close(child->output);
  if (child->file >= 0) close(child->file);
  ChildEnd end;
  if (fields[0] == "exit" && fields.size() >= 4) {
    end.exit_code = std::stoi(fields[2]);
    end.signal = std::stoi(fields[3]);
  } else {
    end.error = fields[2];
  }
  child->events.on_end(std::move(end));
}

}  // namespace sgw::core
