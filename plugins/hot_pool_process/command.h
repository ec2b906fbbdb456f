// What a server's command line is made from, and how its address is learnt.
#pragma once

#include <sgw/values.h>

#include <optional>
#include <string>
#include <string_view>

namespace sgw::plugins {

// What a start knows for the placeholders of its texts.
struct Placeholders {
  const Route& route;
  std::string id{};
  std::string port{};
};

// Replaces {namespace}, {class}, {id}, {port}, {attribute:NAME} and {attribute:NAME=OTHERWISE}; other braces stay as
// they are. FAILED_PRECONDITION for an attribute that the Route lacks, INVALID_ARGUMENT for a value with a zero byte.
Result<std::string> Expand(std::string_view text, const Placeholders& values);

// The {address} of `pattern` in a line of output: what stands between the texts before and after it, and has no blanks.
// An address that says "every interface" becomes the loopback one.
std::optional<std::string> FindAddress(std::string_view line, std::string_view pattern);

// A secret of 256 bits that nobody can guess, in 64 hexadecimal digits; empty when the system gives no random bytes.
Secret MakeToken();

// The line with "<secret>" where the secret stands in it.
std::string WithoutSecret(std::string_view line, const Secret& secret);

// A port of 127.0.0.1 that nobody uses right now; 0 when there is none.
int FindFreePort();

}  // namespace sgw::plugins
