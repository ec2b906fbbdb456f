// Binding: what is written down of a session, in the store and on disk. No secrets: a server's token is asked for anew.
#pragma once

#include <sgw/status.h>
#include <sgw/values.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sgw::core {

// A live session.
struct Binding {
  std::string id;  // no two bindings have the same one, so that whoever binds sees whose holds
  std::string session_id;
  std::string realm;
  std::string subject;
  std::string user_name;
  std::vector<std::string> groups;
  Route route;                // its header edits and its policy are asked for anew, too, but for the limits' names
  StringMap routing_headers;  // every occurrence of the headers in route.made_from, as they were sent
  std::string sharing_key;
  std::string address;
  std::string incarnation;
  Tls tls = Tls::kConfigured;
  std::string server_name;
  bool has_credentials = false;  // the server was sent a token, or headers of its own
  std::string lease_id;          // empty for a discovered server
  std::string source;            // name of the instance that gave the server
  WallTime created{};
  friend bool operator==(const Binding&, const Binding&) = default;
};

// One that has ended, and what its callers hear.
struct Tombstone {
  Status refusal;
  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

std::string TextOf(const Binding& binding);
std::string TextOf(const Tombstone& tombstone);
// None: this is the text of neither.
std::optional<std::variant<Binding, Tombstone>> ReadBinding(std::string_view text);

}  // namespace sgw::core
