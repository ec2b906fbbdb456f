// What the gateway reads of a call's first request message.
#pragma once

#include <sgw/status.h>

#include <string>
#include <string_view>

#include "core/connect/field_scanner.h"
#include "core/connect/methods.h"

namespace sgw::core {

struct FirstFields {
  std::string session_id;   // a UUID
  std::string user_id;      // as the client claims
  std::string client_type;  // at most 256 bytes
  std::string operation_id;
  std::string new_session_id;     // CloneSession
  bool has_observed_id = false;   // client_observed_server_side_session_id
  bool is_reattachable = false;   // ExecutePlan
  bool is_release_all = false;    // ReleaseExecute
  bool allows_reconnect = false;  // ReleaseSession
  bool is_whole = false;          // all of the message was read, at once or by the stamper
};

// How much of the first message is held before it is read.
inline constexpr std::size_t kMaxHeldBytes = 32 * 1024;

// How many bytes, with the 5 of the prefix, ReadFirstFields wants to see; 5 while even the prefix is not whole.
std::size_t WantedBytes(std::string_view framed);

// Reads the beginning of the first message, prefix included. What comes after the held bytes is not seen.
// INVALID_ARGUMENT: no session_id there, or it is not a UUID, or the bytes are not a message. UNIMPLEMENTED:
// compressed.
Result<FirstFields> ReadFirstFields(const MethodFacts& facts, std::string_view framed);

// Takes the fields of a first message as a scanner finds them. For this room: RequestStamper reads on with it.
class FirstReader final : public FieldScanner::Visitor {
 public:
  explicit FirstReader(const MethodFacts& facts) : facts_(facts) {}

  const char* OnMessage(std::uint8_t flags, std::uint32_t length) override;
  std::string* OnField(std::uint32_t number, WireType type, std::uint64_t size, const char** refusal) override;
  void OnValue(std::uint32_t number, std::uint64_t value) override;
  void OnMessageEnd() override { fields.is_whole = true; }

  FirstFields fields;
  bool has_session = false;
  bool is_in_user = false;  // the user_context is longer than what was read
  bool is_compressed = false;

 private:
  void OnSpecial(std::uint64_t value);

  const MethodFacts& facts_;
  std::string capture_;
  bool is_wanted_ = false;  // the field that is being read
};

bool IsUuid(std::string_view text);

}  // namespace sgw::core
