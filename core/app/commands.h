// The subcommands of spark-gateway. Each gets the words after its name and returns the exit code: 0, 2 for a bad
// configuration or usage, 1 for anything else.
#pragma once

#include <string>
#include <vector>

#include "core/plugin/spawner.h"

namespace sgw::core {

using Words = std::vector<std::string>;

// Keeps SIGTERM and SIGINT for Serve: from now on no thread of the process ends by them.
void BlockSignals();
int Serve(const Words& words, Spawner* spawner);
int Check(const Words& words);
// plugins, sessions [end ID], pools, endpoints, config: questions to a running gateway.
int AskAdmin(const std::string& command, const Words& words);
// token add: makes a bearer token for auth_token.
int TokenCommand(const Words& words);

inline constexpr const char* kDefaultConfig = "/etc/spark-gateway/gateway.yaml";
// The admin socket of `serve --to`, in the folder where it was started.
inline constexpr const char* kLocalSocket = "spark-gateway-admin.sock";

}  // namespace sgw::core
