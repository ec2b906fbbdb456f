// Names that take long to look up.
#include <dlfcn.h>
#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <mutex>

#include "tests/core/http2/pair.h"

using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

std::mutex slow_mutex;  // Guards is_slow.
std::condition_variable slow_changed;
bool is_slow = false;

void SetSlow(bool slow) {
  {
    const std::lock_guard lock(slow_mutex);
    is_slow = slow;
  }
  slow_changed.notify_all();
}

void WaitForLookups(int count) {
  while (ClientConnection::lookups() != count) std::this_thread::yield();
}

ClientConnection::Setup To(const std::string& address, std::function<void(const sgw::Status&)> on_ready) {
  ClientConnection::Setup setup;
  setup.address = address;
  setup.on_ready = std::move(on_ready);
  return setup;
}

}  // namespace

// Instead of the C library's: "slow.test" is localhost, once a test says so.
extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo* hints, addrinfo** found) {
  static const auto real = reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (host && std::strcmp(host, "slow.test") == 0 && (hints->ai_flags & AI_NUMERICHOST) == 0) {
    std::unique_lock lock(slow_mutex);
    slow_changed.wait(lock, [] { return !is_slow; });
    host = "127.0.0.1";
  }
  return real(host, port, hints, found);
}

TEST_CASE("a name is looked up without stopping the worker") {
  Pair pair([](Recorder&) {});
  const std::string port = pair.address.substr(pair.address.rfind(':'));
  SetSlow(true);
  std::promise<sgw::Status> ready;
  pair.Run([&] {
    pair.client = ClientConnection::Connect(
        pair.worker(), To("slow.test" + port, [&](const sgw::Status& status) { ready.set_value(status); }));
  });
  pair.Run([] {});
  CHECK(ClientConnection::lookups() == 1);
  SetSlow(false);
  CHECK(ready.get_future().get().ok());
}

TEST_CASE("a look-up that outlives its worker harms nobody") {
  SetSlow(true);
  {
    Worker worker("short");
    worker.Start();
    std::promise<void> begun;
    std::shared_ptr<ClientConnection> connection;
    worker.Post([&] {
      connection =
          ClientConnection::Connect(worker, To("slow.test:1", [](const sgw::Status&) { FAIL("nobody waits"); }));
      begun.set_value();
    });
    begun.get_future().wait();
    worker.Stop();
    connection.reset();
  }
  CHECK(ClientConnection::lookups() == 1);
  SetSlow(false);
  WaitForLookups(0);
}

TEST_CASE("names that nobody answers do not take threads without bound") {
  Pair pair([](Recorder&) {});
  SetSlow(true);
  std::vector<std::shared_ptr<ClientConnection>> waiting;
  std::promise<sgw::Status> refused;
  pair.Run([&] {
    for (int i = 0; i < 64; ++i) {
      waiting.push_back(ClientConnection::Connect(pair.worker(), To("slow.test:1", [](const sgw::Status&) {})));
    }
    waiting.push_back(ClientConnection::Connect(
        pair.worker(), To("slow.test:1", [&](const sgw::Status& status) { refused.set_value(status); })));
  });
  CHECK(refused.get_future().get().message().find("too many names") != std::string::npos);
  pair.Run([&] {
    for (const auto& one : waiting) one->Close();
  });
  pair.Run([&] { waiting.clear(); });
  SetSlow(false);
  WaitForLookups(0);
}
