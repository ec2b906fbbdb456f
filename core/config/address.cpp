#include "core/config/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

namespace sgw::core {
namespace {

bool IsHost(const std::string& host) {
  return host.size() <= 253 &&
         host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
             std::string::npos;
}

bool IsIpv6(const std::string& text) {
  in6_addr ignored{};
  return inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &ignored) == 1;
}

// The reason for which a text is no address; empty: it is one.
std::string Read(const std::string& text, Address& address) {
  if (text.rfind("unix:", 0) == 0) {
    address.path = text.substr(5);
    if (address.path.empty()) return "the path is missing";
    constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
    return address.path.size() <= kLongest ? "" : "the path has more than " + std::to_string(kLongest) + " bytes";
  }
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string::npos ? text.rfind(':') : bracket);
  address.host = text.substr(0, colon);
  if (text.rfind('[', 0) == 0) {
    if (bracket == std::string::npos) return "the ']' is missing";
    if (colon != std::string::npos && colon != bracket + 1) return "after the ']' comes the port";
    address.host = text.substr(1, bracket - 1);
    if (!IsIpv6(address.host)) return "between the brackets stands an IPv6 address";
  } else if (IsIpv6(text) || IsIpv6(address.host)) {
    return "an IPv6 address stands in brackets";
  } else if (!IsHost(address.host)) {
    return "the host is no name and no address";
  }
  if (colon == std::string::npos || colon + 1 == text.size()) return "the port is missing";
  if (address.host.empty()) return "the host is missing; 0.0.0.0 is every IPv4 address, [::] every address";
  const std::string port = text.substr(colon + 1);
  if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos || std::stoi(port) > 65535) {
    return "the port is a number up to 65535";
  }
  address.port = static_cast<std::uint16_t>(std::stoi(port));
  return "";
}

}  // namespace

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

bool Address::is_any() const {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return v4.s_addr == INADDR_ANY;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
}

std::optional<Address> ParseAddress(const std::string& text, std::string& problem) {
  Address address;
  problem = Read(text, address);
  return problem.empty() ? std::optional(address) : std::nullopt;
}

}  // namespace sgw::core
