// Address: where to listen, as a configuration writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sgw::core {

struct Address {
  std::string path;  // of "unix:/path"; empty: host and port
  std::string host;  // without brackets
  std::uint16_t port = 0;

  bool is_unix() const { return !path.empty(); }
};

// Reads host:port, [address]:port and unix:/path. None: it is none of them, and `problem` says why.
std::optional<Address> ParseAddress(const std::string& text, std::string& problem);

}  // namespace sgw::core
