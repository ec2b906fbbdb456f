// ReplyReader: what the gateway reads of a driver's responses, without holding them.
//
// It never refuses: at the first thing that it does not understand it stops reading, and the bytes pass all the same.
#pragma once

#include <string>
#include <string_view>

#include "core/connect/field_scanner.h"
#include "core/connect/methods.h"

namespace sgw::core {

class ReplyReader : private FieldScanner::Visitor {
 public:
  explicit ReplyReader(const MethodFacts& facts) : method_(facts.method) {}

  void Feed(std::string_view bytes);

  // ExecutePlan and ReattachExecute: the operation said that it is complete, not only that the stream ends.
  bool has_result_complete() const { return has_result_complete_; }
  const std::string& operation_id() const { return operation_id_; }
  // CloneSession: the id of the new session.
  const std::string& new_session_id() const { return new_session_id_; }

 private:
  const char* OnMessage(std::uint8_t flags, std::uint32_t) override;
  std::string* OnField(std::uint32_t number, WireType type, std::uint64_t size, const char** refusal) override;
  void OnValue(std::uint32_t, std::uint64_t) override {}
  void OnMessageEnd() override {}

  const SparkMethod method_;
  FieldScanner scanner_;
  bool has_result_complete_ = false;
  std::string operation_id_;
  std::string new_session_id_;
};

}  // namespace sgw::core
