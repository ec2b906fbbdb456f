// What a fuzz target takes its input apart with, and what it says when something does not hold.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace sgw::fuzz {

// The fuzzer's bytes, read front to back. Past their end everything is 0 or empty.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return left_.empty(); }
  std::uint8_t Byte() { return left_.empty() ? 0 : static_cast<std::uint8_t>(Take(1)[0]); }
  // At most so many bytes.
  std::string_view Take(std::size_t size) {
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(taken.size());
    return taken;
  }
  // As many bytes as the next one says.
  std::string_view Text() { return Take(Byte()); }
  std::string_view Rest() { return Take(left_.size()); }
  // Up to the next `end`, which is taken, too.
  std::string_view Until(char end) {
    const std::string_view taken = Take(std::min(left_.find(end), left_.size()));
    Take(1);
    return taken;
  }

 private:
  std::string_view left_;
};

// Ends the process, as a sanitizer does, when what must hold does not.
inline void Require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "This does not hold: %s.\n", claim);
  std::abort();
}

}  // namespace sgw::fuzz
