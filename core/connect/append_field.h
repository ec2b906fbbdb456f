// Protobuf fields, written at the end of a message. For sources of this room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sgw::core {

inline void AppendVarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// A string, bytes or a message; also when it is empty.
inline void AppendBytes(std::string& out, int field, std::string_view value) {
  AppendVarint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  AppendVarint(out, value.size());
  out.append(value);
}

}  // namespace sgw::core
