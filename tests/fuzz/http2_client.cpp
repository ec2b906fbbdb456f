// Our connection to a driver that answers with whatever bytes: no stream, byte or descriptor stays, and each stream
// hears what it is promised.
#include <sys/un.h>

#include "core/http2/client_connection.h"
#include "tests/fuzz/http2_script.h"

namespace sgw::fuzz {
namespace {

// A socket that listens under a name that is no file.
struct Listener {
  Listener() {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, path.size());
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Require(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 && listen(fd, 1) == 0, "a listener");
  }
  const std::string path = std::string(1, '\0') + "sgw-fuzz-" + std::to_string(getpid());
  int fd = -1;
};

void Check(Input input) {
  static const Listener listener;
  Scene scene;
  std::vector<std::unique_ptr<Owner>> owners;
  int ready = 0, ends = 0;
  bool is_good = false;
  const std::uint8_t flags = input.Byte();
  const std::uint8_t manner = input.Byte();
  core::ClientConnection::Setup setup;
  setup.options.budget = &scene.budget;
  setup.options.on_incident = [](const char* reason) { Require(reason && *reason, "an incident has a name"); };
  if (flags & 2) setup.options.max_held_bytes = 16 * 1024;
  if (flags & 4) setup.options.max_header_bytes = 512, setup.options.max_header_fields = 8;
  if (flags & 8) scene.budget.limit = 32 * 1024;
  setup.address = "unix:" + listener.path;
  setup.on_ready = [&](const Status& status) {
    ++ready;
    is_good = status.ok();
  };
  setup.on_closed = [&] { ++ends; };
  auto connection = core::ClientConnection::Connect(*scene.worker, std::move(setup));
  scene.Run();
  scene.peer = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  Require(scene.peer >= 0, "a connection comes");
  if (!(flags & 1)) scene.Frame(4, 0, 0, "");

  while (!input.empty()) {
    Step(scene, owners, input, [&](std::uint8_t step) {
      if (step == 'o' && connection->can_open() && owners.size() < 8) {
        auto owner = std::make_unique<Owner>(static_cast<std::uint8_t>(manner + owners.size()));
        owner->stream = connection->Open(
            {{":method", "POST"}, {":scheme", "http"}, {":path", "/a.B/C"}, {":authority", "d"}, {"te", "trailers"}},
            input.Byte() % 2 == 1, *owner);
        if (owner->stream) owners.push_back(std::move(owner));
      }
      if (step == 'g') connection->CloseWhenIdle();
      if (step == 'z') connection->Close();
      scene.Run();
    });
  }
  if (flags & 32) connection->Close();
  scene.Run();
  scene.HangUp();
  Require(connection->is_closed() && connection->streams() == 0, "a connection that the peer has left is closed");
  Require(ready == 1 && ends == (is_good ? 1 : 0), "a connection is ready once, and ends once if it was");
  for (const auto& owner : owners) Require(owner->is_done(), "each stream hears its end");
  owners.clear();
  Require(connection->held_bytes() == 0, "a connection without streams holds nothing");
  const std::weak_ptr left = std::exchange(connection, nullptr);
  Require(left.expired(), "nothing keeps a connection that is closed");
  scene.RequireNothingLeft();
}

}  // namespace
}  // namespace sgw::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::fuzz::Check({data, size});
  return 0;
}
