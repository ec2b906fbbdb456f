#include "core/connect/status_details.h"

#include <sgw/json.h>

#include <cstdint>

#include "core/connect/append_field.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxMessage = 2048;
constexpr std::size_t kMaxEncodedMessage = 3 * 1024;  // letters outside of ASCII take three bytes for each of theirs
constexpr std::string_view kSessionChanged = "INVALID_HANDLE.SESSION_CHANGED";
constexpr std::string_view kSessionClosed = "INVALID_HANDLE.SESSION_CLOSED";
constexpr std::string_view kTypePrefix = "type.googleapis.com/google.rpc.";

void AppendNumber(std::string& out, int field, std::uint64_t value) {
  if (value == 0) return;
  AppendVarint(out, static_cast<std::uint64_t>(field) << 3);
  AppendVarint(out, value);
}

void AppendAny(std::string& out, std::string_view type, std::string_view message) {
  std::string any;
  AppendBytes(any, 1, std::string(kTypePrefix) + std::string(type));
  AppendBytes(any, 2, message);
  AppendBytes(out, 3, any);
}

std::string_view Cut(std::string_view message) {
  if (message.size() <= kMaxMessage) return message;
  std::size_t size = kMaxMessage;
  while (size > 0 && (static_cast<std::uint8_t>(message[size]) & 0xC0) == 0x80) --size;
  return message.substr(0, size);
}

// A message may quote what a client sent. Parsers refuse a string that is not UTF-8, and the whole Status with it.
std::string AsUtf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = sgw::detail::Utf8Length(text);
    out += size == 0 ? "?" : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<std::uint8_t>(c);
    count += 8;
    for (; count >= 6; count -= 6) out += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) out += kDigits[bits << (6 - count) & 63];
  return out;
}

std::string ErrorInfo(const SparkError& error) {
  const auto entry = [](std::string_view key, std::string_view value) {
    std::string pair;
    AppendBytes(pair, 1, key);
    AppendBytes(pair, 2, value);
    return pair;
  };
  std::string info;
  AppendBytes(info, 1, "org.apache.spark.SparkSQLException");
  AppendBytes(info, 2, "org.apache.spark");
  // No errorId: a client would ask the driver for details, and the driver is gone.
  AppendBytes(info, 3, entry("errorClass", error.error_class));
  AppendBytes(info, 3, entry("sqlState", "HY000"));
  AppendBytes(info, 3, entry("messageParameters", "{\"handle\":\"" + error.handle + "\"}"));
  AppendBytes(info, 3, entry("classes", "[\"org.apache.spark.SparkSQLException\"]"));
  return info;
}

}  // namespace

Status SessionChanged(const std::string& what_happened) {
  return Internal("[" + std::string(kSessionChanged) + "] " + what_happened);
}

Status SessionClosed(const std::string& what_happened) {
  return Internal("[" + std::string(kSessionClosed) + "] " + what_happened);
}

SparkError SparkErrorOf(const Status& status, std::string_view session_id) {
  for (const std::string_view error_class : {kSessionChanged, kSessionClosed}) {
    if (status.message().compare(0, error_class.size() + 2, "[" + std::string(error_class) + "]") == 0) {
      return {std::string(error_class), std::string(session_id)};
    }
  }
  return {};
}

std::string StatusDetailsBin(const Status& status, const SparkError& error) {
  std::string out;
  AppendNumber(out, 1, static_cast<std::uint64_t>(status.code()));
  AppendBytes(out, 2, AsUtf8(Cut(status.message())));
  if (!error.error_class.empty()) AppendAny(out, "ErrorInfo", ErrorInfo(error));
  if (status.retry_delay()) {
    const auto ms = static_cast<std::uint64_t>(status.retry_delay()->count());
    std::string duration;
    AppendNumber(duration, 1, ms / 1000);
    AppendNumber(duration, 2, ms % 1000 * 1'000'000);
    std::string retry;
    AppendBytes(retry, 1, duration);
    AppendAny(out, "RetryInfo", retry);
  }
  return Base64(out);
}

std::string PercentEncoded(std::string_view message) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  std::size_t character = 0;  // where the last character begins
  for (const char c : Cut(message)) {
    if ((static_cast<std::uint8_t>(c) & 0xC0) != 0x80) character = out.size();
    if (out.size() + 3 > kMaxEncodedMessage) {
      out.resize(character);
      break;
    }
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
    } else {
      out += {'%', kHex[static_cast<std::uint8_t>(c) >> 4], kHex[c & 15]};
    }
  }
  return out;
}

std::string EmptyReply(unsigned session_field, std::string_view session_id) {
  std::string message;
  AppendBytes(message, static_cast<int>(session_field), session_id);
  const auto size = static_cast<std::uint32_t>(message.size());
  return std::string{0, static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                     static_cast<char>(size)} +
         message;
}

}  // namespace sgw::core
