// Status and Result: how every part of the gateway says that something did not work.
//
// A Status is a gRPC status as its caller will see it: one of the 17 canonical codes and a sentence written for a
// person (https://grpc.io/docs/guides/status-codes/). Result<T> is a value or the Status that explains its absence, in
// the shape of C++23's std::expected.
#pragma once

#include <cassert>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sgw {

using namespace std::chrono_literals;

// Every duration in the SDK. Milliseconds, because no setting of the gateway is finer.
using Duration = std::chrono::milliseconds;

// The canonical gRPC codes, with their numbers on the wire.
enum class StatusCode : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// The code's name as gRPC's documents spell it, for example "PERMISSION_DENIED".
constexpr std::string_view CodeName(StatusCode code) {
  constexpr std::string_view kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  const auto index = static_cast<std::size_t>(code);
  return index < std::size(kNames) ? kNames[index] : std::string_view("UNKNOWN");
}

// Asks the caller to try again after a pause; becomes google.rpc.RetryInfo on the wire. Spark clients from 4.1 on obey
// it with any code.
struct RetryIn {
  Duration delay{};
  explicit constexpr RetryIn(Duration d) : delay(d) {}
};

// A code and the sentence its reader needs. Cheap to move; OK carries no sentence.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}
  Status(StatusCode code, std::string message, RetryIn retry)
      : code_(code), message_(std::move(message)), retry_delay_(retry.delay) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // Set when the caller is asked to try again, see RetryIn.
  const std::optional<Duration>& retry_delay() const { return retry_delay_; }

  friend bool operator==(const Status&, const Status&) = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
  std::optional<Duration> retry_delay_;
};

inline Status Cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }
inline Status InvalidArgument(std::string m) { return {StatusCode::kInvalidArgument, std::move(m)}; }
inline Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
inline Status AlreadyExists(std::string m) { return {StatusCode::kAlreadyExists, std::move(m)}; }
inline Status PermissionDenied(std::string m) { return {StatusCode::kPermissionDenied, std::move(m)}; }
inline Status ResourceExhausted(std::string m) { return {StatusCode::kResourceExhausted, std::move(m)}; }
inline Status ResourceExhausted(std::string m, RetryIn r) { return {StatusCode::kResourceExhausted, std::move(m), r}; }
inline Status FailedPrecondition(std::string m) { return {StatusCode::kFailedPrecondition, std::move(m)}; }
inline Status Unimplemented(std::string m) { return {StatusCode::kUnimplemented, std::move(m)}; }
inline Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }
inline Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
inline Status Unavailable(std::string m, RetryIn r) { return {StatusCode::kUnavailable, std::move(m), r}; }
inline Status Unauthenticated(std::string m) { return {StatusCode::kUnauthenticated, std::move(m)}; }

// A value, or the Status that says why there is none. Reading the value of a failed Result is a programming error.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Status status) : content_(std::in_place_index<1>, std::move(status)) {
    assert(!std::get<1>(content_).ok() && "a Result without a value needs a reason");
  }

  bool has_value() const { return content_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return std::get<0>(content_); }
  const T& value() const& { return std::get<0>(content_); }
  T&& value() && { return std::get<0>(std::move(content_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // OK when there is a value.
  Status status() const { return has_value() ? Status() : std::get<1>(content_); }

 private:
  std::variant<T, Status> content_;
};

}  // namespace sgw
