#include "tests/e2e/scripted_server/script.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "spark_connect/error_details.pb.h"

namespace sgw::testing {
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <typename Number>
Number ToNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument("not a number in a script: '" + std::string(text) + "'");
  }
  return number;
}

Duration ToDuration(std::string_view text) {
  if (text.ends_with("ms")) return Duration(ToNumber<int>(text.substr(0, text.size() - 2)));
  if (text.ends_with("s")) return std::chrono::seconds(ToNumber<int>(text.substr(0, text.size() - 1)));
  throw std::invalid_argument("a duration in a script needs 'ms' or 's': '" + std::string(text) + "'");
}

void Set(std::string_view name, std::string_view value, Script& script) {
  if (name == "responses")
    script.responses = ToNumber<int>(value);
  else if (name == "bytes")
    script.bytes = ToNumber<std::size_t>(value);
  else if (name == "metadata")
    script.metadata = ToNumber<std::size_t>(value);
  else if (name == "cut")
    script.cut = ToNumber<int>(value);
  else if (name == "pause")
    script.pause = ToDuration(value);
  else if (name == "delay")
    script.delay = ToDuration(value);
  else if (name == "after")
    script.after = ToNumber<int>(value);
  else if (name == "status")
    script.status = ToNumber<int>(value);
  else if (name == "message")
    script.message = value;
  else if (name == "error")
    script.error_class = value;
  else if (name == "details")
    script.details = ToNumber<std::size_t>(value);
  else if (name == "retry")
    script.retry = ToDuration(value);
  else if (name == "hang")
    script.hangs = true;
  else if (name == "reset")
    script.resets = true;
  else
    throw std::invalid_argument("a script knows no '" + std::string(name) + "'");
}

google::rpc::ErrorInfo SparkErrorInfo(const std::string& error_class, const std::string& handle) {
  google::rpc::ErrorInfo info;
  info.set_reason("org.apache.spark.SparkSQLException");
  info.set_domain("org.apache.spark");
  auto& metadata = *info.mutable_metadata();
  metadata["errorClass"] = error_class;
  metadata["sqlState"] = "HY000";
  metadata["classes"] = R"(["org.apache.spark.SparkSQLException"])";
  metadata["messageParameters"] = R"({"handle":")" + handle + R"("})";
  return info;
}

grpc::Status WithDetails(const google::rpc::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), status.message(), status.SerializeAsString()};
}

}  // namespace

void ReadScript(std::string_view text, Script& script) {
  while (!text.empty()) {
    const std::string_view pair = Trimmed(text.substr(0, text.find(';')));
    text.remove_prefix(std::min(text.size(), text.find(';') == text.npos ? text.size() : text.find(';') + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    Set(Trimmed(pair.substr(0, equals)), Trimmed(pair.substr(std::min(equals + 1, pair.size()))), script);
  }
}

grpc::Status Script::FaultStatus() const {
  google::rpc::Status status_details;
  status_details.set_code(status);
  status_details.set_message(message.empty() ? "a fault on request" : message);
  if (!error_class.empty() || details > 0) {
    google::rpc::ErrorInfo info = SparkErrorInfo(error_class, "");
    if (details > 0) (*info.mutable_metadata())["padding"] = std::string(details, 'p');
    status_details.add_details()->PackFrom(info);
  }
  if (retry > Duration::zero()) {
    google::rpc::RetryInfo info;
    info.mutable_retry_delay()->set_seconds(retry.count() / 1000);
    info.mutable_retry_delay()->set_nanos(static_cast<int>(retry.count() % 1000) * 1'000'000);
    status_details.add_details()->PackFrom(info);
  }
  return WithDetails(status_details);
}

grpc::Status SparkErrorStatus(const std::string& error_class, const std::string& handle) {
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::INTERNAL);
  status.set_message("[" + error_class + "] The handle " + handle + " is invalid.");
  status.add_details()->PackFrom(SparkErrorInfo(error_class, handle));
  return WithDetails(status);
}

}  // namespace sgw::testing
