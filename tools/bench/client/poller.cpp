#include "tools/bench/client/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace sgw::bench {

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

Poller::~Poller() { close(epoll_); }

void Poller::Watch(int fd, bool is_writing, int operation) const {
  epoll_event event{};
  event.events = is_writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll_, operation, fd, &event);
}

void Poller::Add(int fd) { Watch(fd, false, EPOLL_CTL_ADD); }

Connection& Poller::Open(const Target& target) {
  auto connection = std::make_unique<Connection>(target);
  const auto fd = static_cast<std::size_t>(connection->fd());
  if (connections_.size() <= fd) connections_.resize(fd + 1);
  Watch(connection->fd(), true, EPOLL_CTL_ADD);
  connections_[fd] = {std::move(connection), true};
  return *connections_[fd].connection;
}

void Poller::Remove(Connection& connection) { connections_[static_cast<std::size_t>(connection.fd())] = {}; }

void Poller::Serve(Connection& connection) {
  connection.OnReady();
  Watched& watched = connections_[static_cast<std::size_t>(connection.fd())];
  if (connection.is_closed()) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr);
  } else if (connection.wants_write() != watched.is_writing) {
    watched.is_writing = !watched.is_writing;
    Watch(connection.fd(), watched.is_writing, EPOLL_CTL_MOD);
  }
}

bool Poller::Turn(int other) {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
  bool is_other_ready = false;
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    if (fd == other) {
      is_other_ready = true;
      continue;
    }
    Serve(*connections_[static_cast<std::size_t>(fd)].connection);
  }
  return is_other_ready;
}

std::vector<Connection*> Poller::OpenReady(const Target& target, std::size_t count) {
  constexpr std::size_t kAtOnce = 100;
  std::vector<Connection*> all;
  for (std::size_t ready = 0; ready < count;) {
    while (all.size() < count && all.size() - ready < kAtOnce) all.push_back(&Open(target));
    Turn();
    while (ready < all.size() && all[ready]->is_ready()) ++ready;
    if (ready < all.size() && all[ready]->is_closed()) throw std::runtime_error("a connection was closed at its start");
  }
  return all;
}

}  // namespace sgw::bench
