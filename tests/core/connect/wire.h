// Bytes by hand: what tests of the dialect write messages with, also those that no serializer would write.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/connect/methods.h"
#include "core/connect/stamper.h"

namespace sgw::core {

inline const std::string kSession = "00112233-4455-6677-8899-aabbccddeeff";
inline const std::string kOtherSession = "99112233-4455-6677-8899-aabbccddeeff";
inline const std::string kStamp = MakeStamp(kSession, "ann", "Ann");

inline const MethodFacts& Named(const std::string& name) { return FactsOf(std::string(kSparkConnectPrefix) + name); }

// A varint, padded to at least that many bytes.
inline std::string Varint(std::uint64_t value, std::size_t bytes = 1) {
  std::string out;
  for (; value >= 0x80 || out.size() + 1 < bytes; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

inline std::string Tag(std::uint64_t number, int wire_type) { return Varint(number << 3 | wire_type); }
inline std::string Number(std::uint64_t number, std::uint64_t value) { return Tag(number, 0) + Varint(value); }
inline std::string Text(std::uint64_t number, std::string_view value) {
  return Tag(number, 2) + Varint(value.size()) + std::string(value);
}

inline std::string Framed(std::string_view message, char flags = 0) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string out = {flags, static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                     static_cast<char>(size)};
  return out.append(message);
}

// The messages of a stream. `is_whole` is false when the stream ends inside one, which is then not among them.
struct Messages {
  std::vector<std::string> messages;
  bool is_whole = true;
};
inline Messages Unframed(std::string_view stream) {
  Messages result;
  while (!stream.empty()) {
    result.is_whole = false;
    if (stream.size() < 5) break;
    std::size_t size = 0;
    for (int i = 1; i < 5; ++i) size = size << 8 | static_cast<std::uint8_t>(stream[i]);
    if (stream.size() - 5 < size) break;
    result.messages.emplace_back(stream.substr(5, size));
    stream.remove_prefix(5 + size);
    result.is_whole = true;
  }
  return result;
}

// What a driver would get of a stream.
struct Stamped : RequestStamper::Sink {
  explicit Stamped(std::string stamp) : stamper(std::move(stamp)) {}

  void Pass(std::size_t offset, std::size_t size) override { sent.append(piece.substr(offset, size)); }
  void Prefix(std::string_view bytes) override { sent.append(bytes); }
  void Stamp(std::string_view bytes) override {
    sent.append(bytes);
    ++stamps;
  }
  void First(const FirstFields& fields) override { first.push_back(fields); }

  // Feeds the stream in pieces of that size, then ends it.
  Status Send(std::string_view stream, std::size_t piece_size = std::string::npos) {
    while (!stream.empty()) {
      piece = stream.substr(0, piece_size);
      stream.remove_prefix(piece.size());
      if (Status status = stamper.Feed(piece, *this); !status.ok()) return status;
    }
    return stamper.Finish();
  }

  RequestStamper stamper;
  std::string_view piece;
  std::string sent;
  int stamps = 0;
  std::vector<FirstFields> first;  // as often as it was told
};

}  // namespace sgw::core
