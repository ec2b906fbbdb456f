// FieldScanner: follows gRPC messages and their top-level protobuf fields through a stream of bytes.
//
// It is fed whatever arrives, in parts of any size, copies nothing but short values that its visitor asks for, and
// skips payloads by their length. It accepts only what every protobuf parser reads the same way; at anything else it
// stops and says what it saw.
//
// Framing: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md; fields:
// https://protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sgw::core {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

class FieldScanner {
 public:
  class Visitor {
   public:
    virtual ~Visitor() = default;
    // A message's prefix is whole. Returns why the message is refused, or null.
    virtual const char* OnMessage(std::uint8_t flags, std::uint32_t length) = 0;
    // A field begins; for kLength its payload has `size` bytes, else 0. Returns where to append the payload, or null.
    virtual std::string* OnField(std::uint32_t number, WireType type, std::uint64_t size, const char** refusal) = 0;
    // A field of type kVarint has this value, and any captured payload is whole.
    virtual void OnValue(std::uint32_t number, std::uint64_t value) = 0;
    virtual void OnMessageEnd() = 0;
  };

  // Goes on with these bytes, up to the end of a message's prefix or of a message, whichever is first, so that the
  // caller can put bytes of its own there. Returns how many were taken; fewer than given with error() set: refused at
  // that byte.
  std::size_t Feed(std::string_view bytes, Visitor& visitor);

  // A few words on what was wrong; null while all is well.
  const char* error() const { return error_; }
  // Between two messages: where a stream may end.
  bool is_at_boundary() const { return state_ == State::kPrefix && gathered_ == 0; }
  bool is_in_prefix() const { return state_ == State::kPrefix; }

 private:
  enum class State : std::uint8_t { kPrefix, kTag, kVarint, kLength, kSkip };

  void EndField(Visitor& visitor, std::uint64_t value);
  void BeginField(Visitor& visitor);
  bool Refuse(const char* why);

  State state_ = State::kPrefix;
  const char* error_ = nullptr;
  std::uint8_t prefix_[5] = {};
  int gathered_ = 0;  // bytes of the prefix or of a varint
  std::uint64_t varint_ = 0;
  std::uint32_t number_ = 0;
  WireType type_ = WireType::kVarint;
  std::uint64_t left_ = 0;  // of the message
  std::uint64_t skip_ = 0;  // of the field's payload
  std::string* capture_ = nullptr;
};

}  // namespace sgw::core
