#include <iostream>

#include "core/app/commands.h"
#include "core/app/gateway.h"

namespace {

constexpr const char* kHelp = R"(spark-gateway: the front door to a company's Spark.

  serve      takes Spark Connect calls and relays them
  check      says what is wrong with a configuration
  plugins    lists the plugins of a running gateway
  sessions   lists its sessions; `sessions end ID` ends one
  pools      lists its pools of warm servers
  endpoints  lists the servers that it knows
  config     prints its configuration, defaults filled in and secrets masked
  token      makes a bearer token for auth_token

Every command has --help. Exit codes: 0, 2 for a bad configuration or usage, 1 for anything else.
)";

}  // namespace

int main(int argc, char** argv) {
  using namespace sgw::core;
  const Words words(argv + 1, argv + argc);
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    (words.empty() ? std::cerr : std::cout) << kHelp;
    return words.empty() ? 2 : 0;
  }
  if (words[0] == "--version") {
    std::cout << "spark-gateway " << Version() << "\n";
    return 0;
  }
  const Words rest(words.begin() + 1, words.end());
  if (words[0] == "serve") {
    // Before any thread exists: the process that makes children is a clean copy, and no thread takes a signal.
    BlockSignals();
    const auto spawner = Spawner::Fork();
    CrashMarker::Install();
    return Serve(rest, spawner.get());
  }
  if (words[0] == "check") return Check(rest);
  if (words[0] == "token") return TokenCommand(rest);
  for (const char* command : {"plugins", "sessions", "pools", "endpoints", "config"}) {
    if (words[0] == command) return AskAdmin(words[0], rest);
  }
  std::cerr << "spark-gateway: there is no command '" << words[0] << "'\n\n" << kHelp;
  return 2;
}
