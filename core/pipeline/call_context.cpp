#include "core/pipeline/call_context.h"

#include <sgw/json.h>

#include <algorithm>
#include <atomic>
#include <random>

namespace sgw::core {
namespace {

constexpr std::size_t kMaxClaim = 256;

std::mt19937_64& Random() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random;
}

// So many digits from there on. Each call asks, and printf takes ten times as long.
void WriteHex(std::string& text, std::size_t at, std::size_t digits, std::uint64_t value) {
  for (std::size_t i = at + digits; i-- > at; value >>= 4) text[i] = "0123456789abcdef"[value & 0xF];
}

// UTF-8 without control characters.
bool IsName(std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  // What is no UTF-8 is escaped to U+FFFD.
  return std::none_of(text.begin(), text.end(), is_control) &&
         JsonEscape(text).find("\xEF\xBF\xBD") == std::string::npos;
}

bool IsTraceParent(std::string_view text) {
  if (text.size() != 55 || text.substr(0, 3) != "00-" || text[35] != '-' || text[52] != '-') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 2 || i == 35 || i == 52) continue;
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  const auto is_zero = [](std::string_view id) { return id.find_first_not_of('0') == std::string_view::npos; };
  return !is_zero(text.substr(3, 32)) && !is_zero(text.substr(36, 16));
}

}  // namespace

std::string NewCallId() {
  // A counter behind a random start: neighbours differ for sure.
  static const std::uint64_t start = Random()();
  static std::atomic<std::uint64_t> next{0};
  std::string text(6, '0');
  WriteHex(text, 0, 6, start + 0x9E3779 * ++next);
  return text;
}

std::string TraceParent(std::string_view received) {
  if (IsTraceParent(received)) return std::string(received);
  std::string text("00-00000000000000000000000000000000-0000000000000000-00");
  WriteHex(text, 3, 16, Random()());
  WriteHex(text, 19, 16, Random()());
  WriteHex(text, 36, 16, Random()());
  return text;
}

Status FillClaim(std::shared_ptr<const Identity>& identity, const std::string& claimed_user) {
  if (!identity->is_as_claimed) return {};
  if (claimed_user.size() > kMaxClaim || !IsName(claimed_user)) {
    return InvalidArgument("The user_id is longer than 256 bytes, or has characters that a name cannot have.");
  }
  // A copy: what a connection remembers stays as it is.
  const auto filled = std::make_shared<Identity>(*identity);
  if (!claimed_user.empty()) filled->subject = claimed_user;
  if (filled->subject.empty()) {
    return Unauthenticated("Your client did not say who you are. Add ;user_id=<name> to the URL, or set USER.");
  }
  filled->is_as_claimed = false;
  identity = filled;
  return {};
}

std::string StampedUserId(const Identity& identity) {
  std::string id;
  // Reversible: two names never become one.
  const auto append = [&id](std::string_view name, std::string_view escaped) {
    for (const char c : name) {
      if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && escaped.find(c) == std::string_view::npos) {
        id += c;
        continue;
      }
      char code[4];
      std::snprintf(code, sizeof(code), "%%%02X", static_cast<unsigned char>(c));
      id += code;
    }
  };
  if (!identity.realm.empty()) {
    append(identity.realm, ",%:");
    id += ':';
  }
  append(identity.subject, ",%");
  return id;
}

}  // namespace sgw::core
