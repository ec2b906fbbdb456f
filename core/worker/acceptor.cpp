#include "core/worker/acceptor.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>

namespace sgw::core {
namespace {

constexpr auto kPause = std::chrono::milliseconds(100);

sockaddr_un NameOf(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  return name;
}

Status SystemError(const std::string& address, const char* what) {
  return Unavailable("cannot " + std::string(what) + " " + address + ": " + std::strerror(errno));
}

Result<int> BindAndListen(const std::string& address, int fd, const sockaddr* name, socklen_t size) {
  if (bind(fd, name, size) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  auto error = SystemError(address, "listen on");
  close(fd);
  return error;
}

Result<int> ListenUnix(const std::string& address) {
  const std::string path = address.substr(5);
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return InvalidArgument("'" + address + "': a Unix socket's path has 1 to 107 bytes");
  }
  if (Status status = MakeWay(path); !status.ok()) return status;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError(address, "make a socket for");
  const sockaddr_un name = NameOf(path);
  return BindAndListen(address, fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name));
}

Result<int> ListenTcp(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return InvalidArgument("'" + address + "' is not host:port");
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = address.substr(colon + 1);
  if (const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return Unavailable("cannot listen on " + address + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError(address, "make a socket for");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (found->ai_family == AF_INET6) {
    // [::] is every address, whatever the machine's default is.
    const bool is_any = IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<sockaddr_in6*>(found->ai_addr)->sin6_addr);
    const int is_v6_only = is_any ? 0 : 1;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, sizeof(is_v6_only));
  }
  return BindAndListen(address, fd, found->ai_addr, found->ai_addrlen);
}

}  // namespace

Status MakeWay(const std::string& path) {
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode)) return FailedPrecondition(path + " is there and is no socket");
  const sockaddr_un name = NameOf(path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int error = connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 ? 0 : errno;
  close(fd);
  if (error == 0 || error == EAGAIN)
    return FailedPrecondition(path + " belongs to a gateway that runs; give each its own");
  if (error != ECONNREFUSED) return FailedPrecondition(path + ": " + std::strerror(error));
  return unlink(path.c_str()) == 0 ? Status() : FailedPrecondition(path + ": " + std::strerror(errno));
}

Result<int> ListenOn(const std::string& address) {
  return address.rfind("unix:", 0) == 0 ? ListenUnix(address) : ListenTcp(address);
}

std::string SocketAddress(int fd, bool peer) {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  auto* generic = reinterpret_cast<sockaddr*>(&name);
  if ((peer ? getpeername(fd, generic, &length) : getsockname(fd, generic, &length)) != 0) return "";
  char text[INET6_ADDRSTRLEN] = {};
  if (name.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<sockaddr_in*>(&name);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  if (name.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<sockaddr_in6*>(&name);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof(text));
      return std::string(text) + ":" + std::to_string(ntohs(v6->sin6_port));
    }
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  return "unix:" + std::string(reinterpret_cast<sockaddr_un*>(&name)->sun_path);
}

struct Acceptor::Socket {
  Socket(boost::asio::io_context& io, int fd, std::size_t i) : descriptor(io, fd), index(i) {}
  boost::asio::posix::stream_descriptor descriptor;
  std::size_t index;
  Timer pause;
};

Acceptor::Acceptor(WorkerPool& workers, int max_connections, Handler handler,
                   std::function<void(const char*)> on_incident)
    : workers_(workers),
      max_connections_(max_connections),
      handler_(std::move(handler)),
      on_incident_(std::move(on_incident)) {}

Acceptor::~Acceptor() {
  Stop();
  thread_.Stop();
}

Result<std::string> Acceptor::Listen(const std::string& address) {
  const Result<int> fd = ListenOn(address);
  if (!fd) return fd.status();
  sockets_.push_back(std::make_unique<Socket>(thread_.io(), *fd, sockets_.size()));
  return address.rfind("unix:", 0) == 0 ? address : SocketAddress(*fd, false);
}

void Acceptor::Start() {
  for (auto& socket : sockets_) Wait(*socket);
  thread_.Start();
}

void Acceptor::Stop() {
  if (is_stopped_) return;
  is_stopped_ = true;
  thread_.Stop();
  for (auto& socket : sockets_) {
    const std::string address = SocketAddress(socket->descriptor.native_handle(), false);
    if (address.size() > 5 && address.rfind("unix:", 0) == 0) unlink(address.c_str() + 5);
    socket->descriptor.close();
  }
}

void Acceptor::Wait(Socket& socket) {
  socket.descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read,
                               [this, &socket](const boost::system::error_code& error) {
                                 if (!error) AcceptReady(socket);
                               });
}

void Acceptor::AcceptReady(Socket& socket) {
  while (true) {
    const int fd = accept4(socket.descriptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Wait(socket);
      if (errno == EINTR || errno == ECONNABORTED) continue;
      // Out of descriptors or memory: the connection stays in the kernel's queue until some are free.
      if (on_incident_) on_incident_("out_of_descriptors");
      socket.pause = thread_.StartTimer(kPause, [this, &socket] { AcceptReady(socket); });
      return;
    }
    if (open_ >= max_connections_) {
      if (on_incident_) on_incident_("over_limit");
      close(fd);
      continue;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ++open_;
    Worker& worker = workers_.LeastLoaded();
    ++worker.load();
    worker.Post([this, &worker, accepted = Accepted{fd, socket.index, SocketAddress(fd, true)}]() mutable {
      handler_(worker, std::move(accepted));
    });
  }
}

void Acceptor::Closed(Worker& worker) {
  --worker.load();
  --open_;
}

}  // namespace sgw::core
