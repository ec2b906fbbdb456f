#include "core/pipeline/call_context.h"

#include <atomic>
#include <cstdio>
#include <random>

namespace sgw::core {
namespace {

std::mt19937_64& Random() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random;
}

bool IsTraceParent(std::string_view text) {
  if (text.size() != 55 || text.substr(0, 3) != "00-" || text[35] != '-' || text[52] != '-') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 2 || i == 35 || i == 52) continue;
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

}  // namespace

std::string NewCallId() {
  // A counter behind a random start: neighbours differ for sure.
  static const std::uint64_t start = Random()();
  static std::atomic<std::uint64_t> next{0};
  char text[16];
  std::snprintf(text, sizeof(text), "%06x", static_cast<unsigned>((start + 0x9E3779 * ++next) & 0xFFFFFF));
  return text;
}

std::string TraceParent(std::string_view received) {
  if (IsTraceParent(received)) return std::string(received);
  char text[64];
  std::snprintf(text, sizeof(text), "00-%016llx%016llx-%016llx-00", static_cast<unsigned long long>(Random()()),
                static_cast<unsigned long long>(Random()()), static_cast<unsigned long long>(Random()()));
  return text;
}

Status FillClaim(Identity& identity, const std::string& claimed_user) {
  if (!identity.is_as_claimed) return {};
  if (!claimed_user.empty()) identity.subject = claimed_user.substr(0, 256);
  if (identity.subject.empty()) {
    return Unauthenticated("Your client did not say who you are. Add ;user_id=<name> to the URL, or set USER.");
  }
  identity.is_as_claimed = false;
  return {};
}

std::string StampedUserId(const Identity& identity) {
  std::string id;
  for (const char c : identity.realm.empty() ? identity.subject : identity.realm + ":" + identity.subject) {
    // Written so that two subjects never become one.
    if (c == ',')
      id += "%2C";
    else if (c == '%')
      id += "%25";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      id += "%00";
    else
      id += c;
  }
  return id;
}

Status WithCallId(const Status& status, const std::string& call_id) {
  const std::string message = status.message() + " [call " + call_id + "]";
  if (status.retry_delay()) return {status.code(), message, RetryIn(*status.retry_delay())};
  return {status.code(), message};
}

}  // namespace sgw::core
