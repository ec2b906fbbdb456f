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
  // Every address of the machine: "0.0.0.0", "::".
  bool is_any() const;
  bool is_ipv6() const { return host.find(':') != std::string::npos; }
};

// Whether nobody on another machine can reach the host: 127.0.0.0/8, ::1 and the name localhost, no other name.
bool IsLoopback(const std::string& host);

// Reads host:port, [address]:port and unix:/path. None: it is none of them, and `problem` says why.
std::optional<Address> ParseAddress(const std::string& text, std::string& problem);

}  // namespace sgw::core
