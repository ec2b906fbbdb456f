// RequestStamper: writes the verified identity into every request message of a call.
//
// Fields 1 (session_id) and 2 (user_context) are appended to each message. A protobuf parser takes the last value of a
// scalar and merges repeated sub-messages field by field, so what is appended wins, and user_context.extensions stay.
// That holds only when the parser reads the appended bytes as fields, so every message is followed to its last byte,
// and one that ends inside a field is refused before its end was sent.
//
// A message that names another session than the stamp is refused too, so that nobody finds work in a session that it
// was not meant for. One may repeat session_id (parsers take the last), if each is the same; one that names none gets
// the stamp's.
#pragma once

#include <sgw/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/connect/field_scanner.h"
#include "core/connect/first_fields.h"

namespace sgw::core {

// The bytes of fields 1 and 2. Both names are written also when they are empty.
std::string MakeStamp(std::string_view session_id, std::string_view user_id, std::string_view user_name);

class RequestStamper : private FieldScanner::Visitor {
 public:
  // Where the stamped stream goes.
  class Sink {
   public:
    virtual ~Sink() = default;
    // Bytes of what was fed, from `offset` on.
    virtual void Pass(std::size_t offset, std::size_t size) = 0;
    // A prefix in the place of the client's: as many bytes as came.
    virtual void Prefix(std::string_view bytes) = 0;
    // Bytes that the client did not send.
    virtual void Stamp(std::string_view bytes) = 0;
    // What the first message said behind its user, when that was asked for: it is whole, and its stamp follows.
    virtual void First(const FirstFields&) {}
  };

  // As MakeStamp() gives it.
  explicit RequestStamper(std::string stamp) : stamp_(std::move(stamp)) {}

  // Before the first Feed: the first message is read to its end, for Sink::First. The facts outlive this.
  void ReadFirst(const MethodFacts& facts) { first_.emplace(facts); }

  // Stamps the next part of the stream. Not OK: the rest must never be sent.
  Status Feed(std::string_view bytes, Sink& sink);
  // The client ended its side: not OK inside a message.
  Status Finish() const;

 private:
  const char* OnMessage(std::uint8_t flags, std::uint32_t length) override;
  std::string* OnField(std::uint32_t number, WireType type, std::uint64_t size, const char** refusal) override;
  void OnValue(std::uint32_t number, std::uint64_t) override;
  void OnMessageEnd() override;
  std::string_view StampedSession() const;

  FieldScanner scanner_;
  const std::string stamp_;
  std::string session_id_;            // of the field that is being read
  std::string prefix_;                // set when one is to be written
  std::optional<FirstReader> first_;  // until the first message has passed
  bool is_message_ended_ = false;
  bool is_compressed_ = false;
  bool is_foreign_ = false;  // a message named another session
};

}  // namespace sgw::core
