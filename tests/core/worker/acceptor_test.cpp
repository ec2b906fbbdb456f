#include "core/worker/acceptor.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string_view>

using namespace sgw::core;

namespace {

int ConnectTo(const std::string& address) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(std::stoi(address.substr(address.rfind(':') + 1)));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
  return fd;
}

}  // namespace

TEST_CASE("connections are spread over the workers and closed over the limit") {
  WorkerPool pool(2);
  std::atomic<int> handled{0};
  std::vector<std::promise<Worker*>> arrived(2);
  std::atomic<int> over_limit{0};
  Acceptor acceptor(
      pool, 2,
      [&](Worker& worker, Accepted accepted) {
        CHECK(accepted.peer_address.rfind("127.0.0.1:", 0) == 0);
        close(accepted.fd);
        arrived[handled++].set_value(&worker);
      },
      [&](const char* reason) { over_limit += std::string_view(reason) == "over_limit"; });
  const auto address = acceptor.Listen("127.0.0.1:0");
  REQUIRE(address);
  pool.Start();
  acceptor.Start();

  const int first = ConnectTo(*address);
  Worker* one = arrived[0].get_future().get();
  const int second = ConnectTo(*address);
  Worker* other = arrived[1].get_future().get();
  CHECK(one != other);
  const int third = ConnectTo(*address);
  char byte = 0;
  CHECK(read(third, &byte, 1) <= 0);  // closed by the gateway
  CHECK(over_limit == 1);
  CHECK(acceptor.open_connections() == 2);
  for (const int fd : {first, second, third}) close(fd);
  acceptor.Stop();
  pool.Stop();
}

TEST_CASE("an acceptor without descriptors goes on when some are free") {
  WorkerPool pool(1);
  std::promise<void> served;
  std::atomic<int> out_of_descriptors{0};
  Acceptor acceptor(
      pool, 100,
      [&](Worker&, Accepted accepted) {
        close(accepted.fd);
        served.set_value();
      },
      [&](const char* reason) { out_of_descriptors += std::string_view(reason) == "out_of_descriptors"; });
  const auto address = acceptor.Listen("127.0.0.1:0");
  REQUIRE(address);
  pool.Start();
  acceptor.Start();
  const int client = ConnectTo(*address);
  served.get_future().get();
  served = {};

  const int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::vector<int> taken;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit tight{64, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &tight);
  for (int fd = 0; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(std::stoi(address->substr(address->rfind(':') + 1)));
  REQUIRE(connect(second, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
  while (out_of_descriptors == 0) std::this_thread::yield();
  for (const int fd : taken) close(fd);
  served.get_future().get();
  setrlimit(RLIMIT_NOFILE, &before);
  close(client);
  close(second);
  acceptor.Stop();
  pool.Stop();
}

TEST_CASE("[::] is every address, and an IPv4 peer is told as one") {
  WorkerPool pool(1);
  std::promise<std::string> peer;
  Acceptor acceptor(pool, 2, [&](Worker&, Accepted accepted) {
    close(accepted.fd);
    peer.set_value(accepted.peer_address);
  });
  const auto address = acceptor.Listen("[::]:0");
  REQUIRE(address);
  pool.Start();
  acceptor.Start();
  close(ConnectTo(*address));
  CHECK(peer.get_future().get().rfind("127.0.0.1:", 0) == 0);
  acceptor.Stop();
  pool.Stop();
}

TEST_CASE("an address that cannot be had is said with its reason") {
  WorkerPool pool(1);
  Acceptor first(pool, 1, [](Worker&, Accepted) {});
  const auto address = first.Listen("127.0.0.1:0");
  REQUIRE(address);
  Acceptor second(pool, 1, [](Worker&, Accepted) {});
  const auto taken = second.Listen(*address);
  REQUIRE_FALSE(taken);
  CHECK(taken.status().message() == "cannot listen on " + *address + ": Address already in use");
  CHECK_FALSE(second.Listen("unix:"));
  CHECK_FALSE(second.Listen("nowhere"));
}
