#include "core/connect/reply_reader.h"

namespace sgw::core {
namespace {

constexpr std::uint32_t kOperationId = 12;
constexpr std::uint32_t kResultComplete = 14;
constexpr std::uint32_t kNewSessionId = 3;

}  // namespace

void ReplyReader::Feed(std::string_view bytes) {
  while (!bytes.empty() && !scanner_.error()) bytes.remove_prefix(scanner_.Feed(bytes, *this));
}

const char* ReplyReader::OnMessage(std::uint8_t flags, std::uint32_t) { return flags == 0 ? nullptr : "compressed"; }

std::string* ReplyReader::OnField(std::uint32_t number, WireType type, std::uint64_t size, const char**) {
  if (type != WireType::kLength || size > 256) {
    return nullptr;
  }
  if (method_ == SparkMethod::kCloneSession) {
    if (number != kNewSessionId) return nullptr;
    new_session_id_.clear();
    return &new_session_id_;
  }
  if (method_ != SparkMethod::kExecutePlan && method_ != SparkMethod::kReattachExecute) return nullptr;
  if (number == kResultComplete) has_result_complete_ = true;
  if (number != kOperationId) return nullptr;
  operation_id_.clear();
  return &operation_id_;
}

}  // namespace sgw::core
