#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/e2e/load/gateway_process.h"

namespace sgw::core::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kBig = 256u << 20;

TEST_CASE("a message of 256 MiB passes in both directions in less than 32 MiB") {
  Recorder call;
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address());
  Clients clients;
  const auto client = clients.Connect(gateway.address);
  clients.Ask(*client, "/sgw.testing.Echo/Unary", "\x0a\x02hi");
  const long before = gateway.Memory("VmHWM");

  // EchoMessage{payload = 1}: the length has four bytes.
  const std::uint32_t size = kBig - 5;
  std::string message{'\x0a'};
  for (int i = 0; i < 4; ++i) {
    message.push_back(static_cast<char>((size >> (7 * i) & 0x7F) | (i < 3 ? 0x80 : 0)));
  }
  message.resize(kBig, 'x');
  call.keeps_body = false;
  clients.Call(*client, call, "/sgw.testing.Echo/Unary", message);
  CHECK(CodeOf(call) == "0");
  CHECK(call.received == kBig + 5);
  const long more = gateway.Memory("VmHWM") - before;
  CAPTURE(more);
  CHECK(more < 32 * 1024);
  clients.On([&] { client->Close(); });
}

TEST_CASE("ten thousand idle connections hold no slabs, and the gateway serves beside them") {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const auto count = static_cast<long>(std::min<rlim_t>(10'000, limit.rlim_max - 1'000));
  MESSAGE(count << " connections");
  sgw::testing::ScriptedServer driver;
  GatewayProcess gateway(driver.address(), R"("limits": {"connections": 10100})");
  Clients clients;
  const auto client = clients.Connect(gateway.address);
  clients.Ask(*client, "Config", SparkRequest("bob", 0));
  const long before = gateway.Memory("VmRSS");

  const std::string hello = std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\x04\0\0\0\0\0", 9);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(static_cast<std::uint16_t>(std::stoi(gateway.address.substr(gateway.address.rfind(':') + 1))));
  std::vector<int> idle;
  for (long i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
    REQUIRE(send(fd, hello.data(), hello.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(hello.size()));
    idle.push_back(fd);
  }
  // Its SETTINGS: each of them was served.
  for (const int fd : idle) {
    char first = 0;
    REQUIRE(recv(fd, &first, 1, 0) == 1);
  }
  CHECK(gateway.Metric("spark_gateway_connections") >= static_cast<double>(count));
  CHECK(gateway.Metric("spark_gateway_held_bytes") == 0);
  const long each = (gateway.Memory("VmRSS") - before) / count;
  CAPTURE(each);
  CHECK(each < 40);  // KiB; a slab alone has 256
  const auto late = clients.Connect(gateway.address);
  for (int i = 0; i < 20; ++i) CHECK(clients.Ask(*late, "Config", SparkRequest("bob", 0)) < 1000ms);
  for (const int fd : idle) close(fd);
  clients.On([&] {
    client->Close();
    late->Close();
  });
}

}  // namespace
}  // namespace sgw::core::testing
