// What is said about a text, for the tests of this room.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "core/config/load.h"

namespace sgw::core::testing {

inline const std::string kGood = R"(listeners:
  - address: 127.0.0.1:0
plugins:
  okta: {use: auth_oidc, issuer: x}
  drivers: {use: discovery_static}
pipeline:
  - auth: okta
  - discovery: drivers
)";

// None: there were errors.
inline std::optional<Config> ParseConfig(const std::string& text, const std::string& directory,
                                         Complaints& complaints) {
  Config config = ReadConfigText(text, directory, complaints);
  return complaints.has_errors() ? std::nullopt : std::optional(std::move(config));
}

// Everything that is said about a text; "" when it is fine.
inline std::string Said(const std::string& text, const std::string& directory = "/etc/gateway") {
  Complaints complaints("gateway.yaml");
  const bool is_good = ParseConfig(text, directory, complaints).has_value();
  CHECK(is_good != complaints.has_errors());
  return complaints.Text();
}

inline std::string Replaced(const std::string& from, const std::string& to, std::string text = kGood) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

inline bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace sgw::core::testing
