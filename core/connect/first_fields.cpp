#include "core/connect/first_fields.h"

#include <algorithm>
#include <optional>

#include "core/connect/field_scanner.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxCapture = 4096;
constexpr std::uint32_t kUserContext = 2;

// The value of field `number` of a small message, as a parser takes it: its last occurrence, or, of a sub-message, all
// of them one behind the other.
struct SmallMessage : FieldScanner::Visitor {
  explicit SmallMessage(bool merges = false) : merges_(merges) {}
  const char* OnMessage(std::uint8_t, std::uint32_t) override { return nullptr; }
  std::string* OnField(std::uint32_t number, WireType type, std::uint64_t, const char**) override {
    is_first_varint_ = number == 1 && type == WireType::kVarint;
    if (number > 2 || type != WireType::kLength) return nullptr;
    if (!merges_ || !strings[number]) strings[number].emplace();
    return &*strings[number];
  }
  void OnValue(std::uint32_t, std::uint64_t value) override {
    if (is_first_varint_) first_varint = value;
  }
  void OnMessageEnd() override {}

  void Read(std::string_view bytes) {
    FieldScanner scanner;
    const auto size = static_cast<std::uint32_t>(bytes.size());
    const char prefix[5] = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                            static_cast<char>(size >> 8), static_cast<char>(size)};
    scanner.Feed({prefix, 5}, *this);
    scanner.Feed(bytes, *this);
  }

  std::optional<std::string> strings[3];  // empty: not there, which is not the same as an empty one
  std::uint64_t first_varint = 0;

 private:
  const bool merges_;
  bool is_first_varint_ = false;
};

}  // namespace

const char* FirstReader::OnMessage(std::uint8_t flags, std::uint32_t) {
  is_compressed = flags != 0;
  return is_compressed ? "a compressed message" : nullptr;
}

std::string* FirstReader::OnField(std::uint32_t number, WireType type, std::uint64_t size, const char** refusal) {
  if (number <= 2 && type != WireType::kLength) *refusal = "session_id or user_context of a wrong type";
  capture_.clear();
  const bool is_text = type == WireType::kLength;
  // A field of another type is one that a parser does not know.
  is_wanted_ = number == facts_.special_field
                   ? is_text == (facts_.method != SparkMethod::kReleaseSession)
                   : is_text && (number == 1 || number == 2 || number == facts_.client_type_field ||
                                 number == facts_.operation_id_field);
  // ReleaseExecute: release_until (6) and release_all (5) are one choice, the last of them counts.
  if (facts_.method == SparkMethod::kReleaseExecute && number == 6 && is_text) fields.is_release_all = false;
  if (number == facts_.observed_id_field && size > 0) fields.has_observed_id = true;
  // A user that was passed over would be nobody, and somebody else's session.
  is_in_user = number == kUserContext;
  if (size <= kMaxCapture || is_in_user) return is_wanted_ ? &capture_ : nullptr;
  // What is too long to be read may say it.
  if (is_wanted_ && number == facts_.special_field && facts_.method == SparkMethod::kExecutePlan) {
    fields.is_reattachable = true;
  }
  return nullptr;
}

void FirstReader::OnValue(std::uint32_t number, std::uint64_t value) {
  if (!is_wanted_) return;
  if (number == 1) {
    fields.session_id = capture_;
    has_session = true;
  } else if (number == kUserContext) {
    is_in_user = false;
    // Repeated sub-messages are merged field by field.
    SmallMessage user;
    user.Read(capture_);
    if (user.strings[1]) fields.user_id = *user.strings[1];
  } else if (number == facts_.client_type_field) {
    fields.client_type = capture_.substr(0, 256);
  } else if (number == facts_.operation_id_field) {
    fields.operation_id = capture_.substr(0, 128);
  } else if (number == facts_.special_field) {
    OnSpecial(value);
  }
}

void FirstReader::OnSpecial(std::uint64_t value) {
  switch (facts_.method) {
    case SparkMethod::kExecutePlan: {
      // One of them all that says so is enough for Spark: RequestOption{reattach_options = 1 {reattachable = 1}}.
      SmallMessage option(/*merges=*/true);
      option.Read(capture_);
      if (!option.strings[1]) return;
      SmallMessage reattach;
      reattach.Read(*option.strings[1]);
      if (reattach.first_varint != 0) fields.is_reattachable = true;
      return;
    }
    case SparkMethod::kReleaseExecute: fields.is_release_all = true; return;
    case SparkMethod::kReleaseSession: fields.allows_reconnect = value != 0; return;
    case SparkMethod::kCloneSession: fields.new_session_id = capture_; return;
    default: return;
  }
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (is_dash ? c != '-' : !is_hex) return false;
  }
  return true;
}

std::size_t WantedBytes(std::string_view framed) {
  if (framed.size() < 5) return 5;
  const auto byte = [&](int i) { return std::size_t{static_cast<std::uint8_t>(framed[i])}; };
  return std::min(5 + (byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4)), kMaxHeldBytes);
}

Result<FirstFields> ReadFirstFields(const MethodFacts& facts, std::string_view framed) {
  FirstReader reader(facts);
  FieldScanner scanner;
  std::size_t at = scanner.Feed(framed, reader);
  if (at == 5 && !scanner.error() && !scanner.is_at_boundary()) scanner.Feed(framed.substr(at), reader);
  if (reader.is_compressed) {
    return Unimplemented("The gateway does not take compressed messages: send them uncompressed.");
  }
  if (scanner.error()) {
    return InvalidArgument("The request is not a Spark Connect message: it has " + std::string(scanner.error()) + ".");
  }
  if (!reader.has_session) {
    return InvalidArgument(
        "The request has no session_id at its beginning; every Spark Connect client sends one first.");
  }
  if (reader.is_in_user) {
    return InvalidArgument("The request's user_context does not end within its first 32 KiB. Make it smaller.");
  }
  if (!IsUuid(reader.fields.session_id)) {
    return InvalidArgument(
        "[INVALID_HANDLE.FORMAT] The session_id must be a UUID such as 00112233-4455-6677-8899-aabbccddeeff.");
  }
  return std::move(reader.fields);
}

}  // namespace sgw::core
