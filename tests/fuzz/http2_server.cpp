// A client's connection fed by whatever bytes: no stream, byte or descriptor stays, and each stream hears what it is
// promised.
#include "core/http2/server_connection.h"
#include "tests/fuzz/http2_script.h"

namespace sgw::fuzz {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

void Check(Input input) {
  Scene scene;
  std::vector<std::unique_ptr<Owner>> owners;
  int ends = 0;
  const std::uint8_t flags = input.Byte();
  const std::uint8_t manner = input.Byte();
  core::ServerConnection::Setup setup;
  setup.options.budget = &scene.budget;
  setup.options.on_incident = [](const char* reason) { Require(reason && *reason, "an incident has a name"); };
  setup.options.max_streams = 8;
  if (flags & 2) setup.options.max_held_bytes = 16 * 1024;
  if (flags & 4) setup.options.max_header_bytes = 512, setup.options.max_header_fields = 8;
  if (flags & 8) scene.budget.limit = 32 * 1024;
  setup.listener = "fuzz";
  setup.peer_address = "peer";
  setup.on_stream = [&](core::ServerConnection&, const std::shared_ptr<Stream>& stream) -> core::StreamHandler* {
    if ((flags & 16) && owners.size() == 2) return nullptr;
    owners.push_back(std::make_unique<Owner>(static_cast<std::uint8_t>(manner + owners.size())));
    owners.back()->stream = stream;
    return owners.back().get();
  };
  setup.on_closed = [&](core::ServerConnection&) { ++ends; };

  std::array<int, 2> sockets{};
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets.data()) == 0, "a socket pair");
  scene.peer = sockets[1];
  auto connection = core::ServerConnection::Serve(*scene.worker, sockets[0], std::move(setup));
  if (!(flags & 1)) {
    scene.Write(kPreface);
    scene.Frame(4, 0, 0, "");
  }
  while (!input.empty()) {
    Step(scene, owners, input, [&](std::uint8_t step) {
      if (step == 'g') connection->Drain();
      if (step == 'z') connection->Close();
      scene.Run();
    });
  }
  if (flags & 32) connection->Close();
  scene.Run();
  scene.HangUp();
  Require(connection->is_closed() && connection->streams() == 0, "a connection that the peer has left is closed");
  Require(ends == 1, "a connection ends once");
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
