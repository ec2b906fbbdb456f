#include "command.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace sgw::plugins {

namespace {

constexpr std::string_view kAddress = "{address}";
constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::string_view kMask = "<secret>";

// The placeholder's value; none when it is no placeholder.
std::optional<Result<std::string>> ValueOf(std::string_view name, const Placeholders& values) {
  if (name == "namespace") return values.route.namespace_;
  if (name == "class") return values.route.service_class;
  if (name == "id") return values.id;
  if (name == "port") return values.port;
  constexpr std::string_view kAttribute = "attribute:";
  if (!name.starts_with(kAttribute)) return std::nullopt;
  name.remove_prefix(kAttribute.size());
  const std::size_t equals = name.find('=');
  const std::string key(name.substr(0, equals));
  if (const std::string* found = Find(values.route.attributes, key)) return *found;
  if (equals != std::string_view::npos) return std::string(name.substr(equals + 1));
  return Result<std::string>(
      FailedPrecondition("The server needs the attribute '" + key + "', which no router has set."));
}

}  // namespace

Result<std::string> Expand(std::string_view text, const Placeholders& values) {
  std::string expanded;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    expanded += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const std::size_t close = text.find('}');
    const auto value = close == std::string_view::npos ? std::nullopt : ValueOf(text.substr(1, close - 1), values);
    if (value && !*value) return value->status();
    expanded += value ? **value : std::string("{");
    text.remove_prefix(value ? close + 1 : 1);
  }
  if (expanded.find('\0') != std::string::npos) return InvalidArgument("The server's command would have a zero byte.");
  return expanded;
}

std::optional<std::string> FindAddress(std::string_view line, std::string_view pattern) {
  const std::size_t at = pattern.find(kAddress);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view before = pattern.substr(0, at);
  const std::string_view after = pattern.substr(at + kAddress.size());
  const std::size_t found = line.find(before);
  if (found == std::string_view::npos) return std::nullopt;
  line.remove_prefix(found + before.size());
  const std::size_t end = after.empty() ? line.find_first_of(" \t\r") : line.find(after);
  if (end == std::string_view::npos && !after.empty()) return std::nullopt;
  std::string_view address = line.substr(0, end);
  if (address.find_first_of(" \t\r") != std::string_view::npos) return std::nullopt;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == address.size()) return std::nullopt;
  const std::string_view host = address.substr(0, colon);
  if (host == "0.0.0.0" || host == "*" || host.empty()) return "127.0.0.1" + std::string(address.substr(colon));
  if (host == "[::]" || host == "[0:0:0:0:0:0:0:0]") return "[::1]" + std::string(address.substr(colon));
  return std::string(address);
}

Secret MakeToken() {
  std::array<unsigned char, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return {};
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return Secret(std::move(text));
}

std::string WithoutSecret(std::string_view line, const Secret& secret) {
  std::string shown(line);
  if (secret.empty()) return shown;
  for (std::size_t at = 0; (at = shown.find(secret.Reveal(), at)) != std::string::npos;) {
    shown.replace(at, secret.Reveal().size(), kMask);
    at += kMask.size();
  }
  return shown;
}

int FindFreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  const bool is_bound = bind(fd, raw, size) == 0 && getsockname(fd, raw, &size) == 0;
  close(fd);
  return is_bound ? ntohs(address.sin_port) : 0;
}

}  // namespace sgw::plugins
