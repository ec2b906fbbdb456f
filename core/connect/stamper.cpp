#include "core/connect/stamper.h"

#include <limits>

#include "core/connect/append_field.h"

namespace sgw::core {

std::string MakeStamp(std::string_view session_id, std::string_view user_id, std::string_view user_name) {
  std::string user;
  AppendBytes(user, 1, user_id);
  AppendBytes(user, 2, user_name);
  std::string stamp;
  AppendBytes(stamp, 1, session_id);
  AppendBytes(stamp, 2, user);
  return stamp;
}

const char* RequestStamper::OnMessage(std::uint8_t flags, std::uint32_t length) {
  if (flags != 0) {
    is_compressed_ = true;
    return flags == 1 ? "a compressed message" : "unknown flags on a message";
  }
  if (length > std::numeric_limits<std::int32_t>::max() - stamp_.size()) return "a message of more than 2 GiB";
  const auto stamped = static_cast<std::uint32_t>(length + stamp_.size());
  prefix_ = {0, static_cast<char>(stamped >> 24), static_cast<char>(stamped >> 16), static_cast<char>(stamped >> 8),
             static_cast<char>(stamped)};
  return nullptr;
}

std::string* RequestStamper::OnField(std::uint32_t number, WireType type, std::uint64_t size, const char** refusal) {
  if (number <= 2 && type != WireType::kLength) *refusal = "session_id or user_context of a wrong type";
  if (number != 1) return first_ && number > 2 ? first_->OnField(number, type, size, refusal) : nullptr;
  session_id_.clear();
  is_foreign_ = is_foreign_ || size != StampedSession().size();
  return is_foreign_ ? nullptr : &session_id_;
}

void RequestStamper::OnValue(std::uint32_t number, std::uint64_t value) {
  if (number == 1 && session_id_ != StampedSession()) is_foreign_ = true;
  if (first_ && number > 2) first_->OnValue(number, value);
}

void RequestStamper::OnMessageEnd() {
  is_message_ended_ = true;
  if (first_) first_->OnMessageEnd();
}

// A stamp begins with session_id, whose length takes one byte.
std::string_view RequestStamper::StampedSession() const {
  return std::string_view(stamp_).substr(2, static_cast<std::uint8_t>(stamp_[1]));
}

Status RequestStamper::Feed(std::string_view bytes, Sink& sink) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const bool was_in_prefix = scanner_.is_in_prefix();
    const std::size_t taken = scanner_.Feed(bytes.substr(at), *this);
    if (scanner_.error()) {
      if (is_compressed_)
        return Unimplemented("The gateway does not take compressed messages: send them uncompressed.");
      return InvalidArgument("The request is not a message that the gateway can vouch for: it has " +
                             std::string(scanner_.error()) + ".");
    }
    if (is_foreign_) return InvalidArgument("A message of the call names another session_id than its first.");
    if (!was_in_prefix) sink.Pass(at, taken);
    at += taken;
    if (!prefix_.empty()) {
      sink.Prefix(prefix_);
      prefix_.clear();
    }
    if (is_message_ended_) {
      is_message_ended_ = false;
      if (first_) sink.First(first_->fields);
      first_.reset();
      sink.Stamp(stamp_);
    }
  }
  return {};
}

Status RequestStamper::Finish() const {
  if (scanner_.is_at_boundary()) return {};
  return InvalidArgument("The request ended inside a message.");
}

}  // namespace sgw::core
