// The RPCs of spark.connect.SparkConnectService, as a gateway has to know them.
//
// Field numbers are those of Spark's own base.proto (3.4 to 4.2); 0 stands for "has none".
#pragma once

#include <cstdint>
#include <string_view>

namespace sgw::core {

enum class MethodClass : std::uint8_t {
  kCreates,          // the server makes a session for it
  kNeedsSession,     // an error without one; so is every method that we do not know
  kNoopWhenUnknown,  // an empty success without one, so that closing a notebook starts no server
};

enum class SparkMethod : std::uint8_t {
  kExecutePlan,
  kAnalyzePlan,
  kConfig,
  kAddArtifacts,
  kArtifactStatus,
  kInterrupt,
  kReattachExecute,
  kReleaseExecute,
  kReleaseSession,
  kFetchErrorDetails,
  kCloneSession,
  kGetStatus,
  kUnknown,
};

struct MethodFacts {
  std::string_view name;
  SparkMethod method = SparkMethod::kUnknown;
  MethodClass method_class = MethodClass::kNeedsSession;
  // Of the request; session_id is always 1 and user_context 2.
  std::uint32_t observed_id_field = 0;  // client_observed_server_side_session_id
  std::uint32_t client_type_field = 0;
  std::uint32_t operation_id_field = 0;
  std::uint32_t special_field = 0;  // reattach options, release_all, allow_reconnect or new_session_id
  // Of the response.
  std::uint32_t reply_session_field = 1;
};

inline constexpr std::string_view kSparkConnectPrefix = "/spark.connect.SparkConnectService/";

// Whether a :path belongs to Spark Connect.
inline bool IsSparkConnect(std::string_view path) { return path.starts_with(kSparkConnectPrefix); }
// The facts of a :path of Spark Connect; a method that is newer than this table gets the cautious ones.
const MethodFacts& FactsOf(std::string_view path);

}  // namespace sgw::core
