// The file of servers of discovery_file.
#include "plugins/discovery_file/discovery_file.h"
#include "tests/fuzz/input.h"

namespace sgw::plugins {
namespace {

using fuzz::Require;

void Check(const std::string& text) {
  const auto table = ReadServers(text, [](const std::string& path) -> Result<Secret> {
    if (path.size() % 2 == 1) return FailedPrecondition("cannot read " + path);
    return Secret("token of " + path);
  });
  if (!table) {
    const std::string why = table.status().message();
    Require(table.status().code() == StatusCode::kInvalidArgument && why.starts_with("line "),
            "a mistake has its line");
    return;
  }
  for (const auto& [name, servers] : *table) {
    for (const Endpoint& server : servers) {
      Require(IsAddress(server.address), "a server has an address that can be dialled");
      Require(server.token.empty() || server.token.Reveal().starts_with("token of "), "a token comes from its file");
      Require(server.headers == HeaderEdits{}, "a file of servers says no more than where");
    }
  }
}

}  // namespace
}  // namespace sgw::plugins

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::plugins::Check(std::string(sgw::fuzz::Input(data, size).Rest()));
  return 0;
}
