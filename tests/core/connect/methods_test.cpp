#include "core/connect/methods.h"

#include <doctest/doctest.h>

#include <string>

#include "spark_connect/base.pb.h"
#include "tests/core/connect/wire.h"

namespace sgw::core {
namespace {

const google::protobuf::MethodDescriptor& Described(const MethodFacts& facts) {
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName("spark.connect.SparkConnectService");
  REQUIRE(service != nullptr);
  const auto* method = service->FindMethodByName(std::string(facts.name));
  REQUIRE(method != nullptr);
  return *method;
}

std::uint32_t NumberOf(const google::protobuf::Descriptor& message, const char* field) {
  const auto* found = message.FindFieldByName(field);
  return found == nullptr ? 0 : static_cast<std::uint32_t>(found->number());
}

constexpr const char* kAllMethods[] = {"ExecutePlan",    "AnalyzePlan",       "Config",          "AddArtifacts",
                                       "ArtifactStatus", "Interrupt",         "ReattachExecute", "ReleaseExecute",
                                       "ReleaseSession", "FetchErrorDetails", "CloneSession",    "GetStatus"};

TEST_CASE("only paths of the Spark Connect service are taken for it") {
  CHECK(IsSparkConnect("/spark.connect.SparkConnectService/Config"));
  CHECK(IsSparkConnect("/spark.connect.SparkConnectService/WhatWillCome"));
  CHECK_FALSE(IsSparkConnect("/spark.connect.SparkConnectServiceX/Config"));
  CHECK_FALSE(IsSparkConnect("/grpc.health.v1.Health/Check"));
  CHECK_FALSE(IsSparkConnect(""));
}

TEST_CASE("the numbers of the table are those of the messages") {
  for (const char* name : kAllMethods) {
    CAPTURE(name);
    const MethodFacts& facts = Named(name);
    REQUIRE(facts.name == name);
    const auto& request = *Described(facts).input_type();
    CHECK(NumberOf(request, "session_id") == 1);
    CHECK(NumberOf(request, "user_context") == 2);
    CHECK(NumberOf(request, "client_observed_server_side_session_id") == facts.observed_id_field);
    CHECK(NumberOf(request, "client_type") == facts.client_type_field);
    CHECK(NumberOf(request, "operation_id") == facts.operation_id_field);
    CHECK(NumberOf(*Described(facts).output_type(), "session_id") == facts.reply_session_field);
  }
  CHECK(NumberOf(*Described(Named("ExecutePlan")).input_type(), "request_options") ==
        Named("ExecutePlan").special_field);
  CHECK(NumberOf(*Described(Named("ReleaseExecute")).input_type(), "release_all") ==
        Named("ReleaseExecute").special_field);
  CHECK(NumberOf(*Described(Named("ReleaseSession")).input_type(), "allow_reconnect") ==
        Named("ReleaseSession").special_field);
  CHECK(NumberOf(*Described(Named("CloneSession")).input_type(), "new_session_id") ==
        Named("CloneSession").special_field);
}

TEST_CASE("only the methods that start work may create a session") {
  for (const char* name : {"ExecutePlan", "AnalyzePlan", "Config", "AddArtifacts", "ArtifactStatus", "Interrupt"}) {
    CHECK(Named(name).method_class == MethodClass::kCreates);
  }
  for (const char* name : {"ReleaseSession", "ReleaseExecute", "FetchErrorDetails"}) {
    CHECK(Named(name).method_class == MethodClass::kNoopWhenUnknown);
  }
  for (const char* name : {"ReattachExecute", "CloneSession", "GetStatus", "ListSqlExecutions", "WhatWillCome", ""}) {
    CHECK(Named(name).method_class == MethodClass::kNeedsSession);
  }
}

}  // namespace
}  // namespace sgw::core
