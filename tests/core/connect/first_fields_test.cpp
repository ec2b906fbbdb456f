#include "core/connect/first_fields.h"

#include <doctest/doctest.h>

#include "spark_connect/base.pb.h"
#include "tests/core/connect/wire.h"

namespace sgw::core {
namespace {

template <typename Message>
Message Begun() {
  Message message;
  message.set_session_id(kSession);
  message.mutable_user_context()->set_user_id("ann");
  message.set_client_type("_SPARK_CONNECT_PYTHON spark/4.2.0");
  return message;
}

Result<FirstFields> Read(const std::string& method, std::string_view message) {
  return ReadFirstFields(Named(method), Framed(message));
}

TEST_CASE("the first message says who asks for which session") {
  auto request = Begun<spark::connect::ExecutePlanRequest>();
  request.set_plan("a plan");
  request.set_operation_id("11112233-4455-6677-8899-aabbccddeeff");
  request.add_request_options()->set_result_chunking_options("x");
  const auto fields = Read("ExecutePlan", request.SerializeAsString());
  REQUIRE(fields.has_value());
  CHECK(fields->session_id == kSession);
  CHECK(fields->user_id == "ann");
  CHECK(fields->client_type == "_SPARK_CONNECT_PYTHON spark/4.2.0");
  CHECK(fields->operation_id == "11112233-4455-6677-8899-aabbccddeeff");
  CHECK_FALSE(fields->has_observed_id);
  CHECK_FALSE(fields->is_reattachable);

  request.add_request_options()->mutable_reattach_options()->set_reattachable(true);
  request.set_client_observed_server_side_session_id(kOtherSession);
  const auto more = Read("ExecutePlan", request.SerializeAsString());
  REQUIRE(more.has_value());
  CHECK(more->is_reattachable);
  CHECK(more->has_observed_id);
}

TEST_CASE("no way of saying it hides that an operation is reattachable") {
  const std::string begin = Text(1, kSession) + Text(2, "");
  const std::string yes = Text(1, Number(1, 1));
  CHECK_FALSE(Read("ExecutePlan", begin + Text(5, Text(1, Number(1, 0))))->is_reattachable);
  CHECK(Read("ExecutePlan", begin + Text(5, yes) + Text(5, Text(1, "")))->is_reattachable);
  CHECK(Read("ExecutePlan", begin + Text(5, yes + Text(1, "")))->is_reattachable);
  CHECK(Read("ExecutePlan", begin + Text(5, yes + Text(15, std::string(5'000, 'x'))))->is_reattachable);
}

TEST_CASE("a message that was not read to its end is not taken for whole") {
  const std::string message = Text(1, kSession) + Text(2, "") + Text(3, std::string(kMaxHeldBytes, 'p'));
  CHECK(Read("ExecutePlan", message)->is_whole);
  const std::string framed = Framed(message);
  const auto held = ReadFirstFields(Named("ExecutePlan"), framed.substr(0, WantedBytes(framed)));
  REQUIRE(held.has_value());
  CHECK_FALSE(held->is_whole);
}

TEST_CASE("what only one method has is read there") {
  auto release = Begun<spark::connect::ReleaseExecuteRequest>();
  release.mutable_release_until()->set_response_id("r");
  CHECK_FALSE(Read("ReleaseExecute", release.SerializeAsString())->is_release_all);
  release.mutable_release_all();
  CHECK(Read("ReleaseExecute", release.SerializeAsString())->is_release_all);

  auto end = Begun<spark::connect::ReleaseSessionRequest>();
  CHECK_FALSE(Read("ReleaseSession", end.SerializeAsString())->allows_reconnect);
  end.set_allow_reconnect(true);
  CHECK(Read("ReleaseSession", end.SerializeAsString())->allows_reconnect);

  auto clone = Begun<spark::connect::CloneSessionRequest>();
  clone.set_new_session_id(kOtherSession);
  CHECK(Read("CloneSession", clone.SerializeAsString())->new_session_id == kOtherSession);
}

TEST_CASE("repeated fields are read as protobuf reads them") {
  const std::string message = Text(1, kOtherSession) + Text(2, Text(1, "ann") + Text(2, "Ann")) + Text(1, kSession) +
                              Text(2, Text(1, "bob")) + Text(6, "release until") + Text(5, "");
  spark::connect::ExecutePlanRequest parsed;
  REQUIRE(parsed.ParseFromString(message));
  const auto fields = Read("ReleaseExecute", message);
  REQUIRE(fields.has_value());
  CHECK(fields->session_id == parsed.session_id());
  CHECK(fields->user_id == parsed.user_context().user_id());
  CHECK(fields->is_release_all);
}

TEST_CASE("an empty name in a later part of user_context takes the place of the first") {
  const std::string message =
      Text(1, kSession) + Text(2, Text(1, "ann") + Text(2, "Ann")) + Text(2, Text(1, "") + Text(2, ""));
  spark::connect::ConfigRequest parsed;
  REQUIRE(parsed.ParseFromString(message));
  REQUIRE(parsed.user_context().user_id().empty());
  const auto fields = Read("Config", message);
  REQUIRE(fields.has_value());
  CHECK(fields->user_id.empty());
}

TEST_CASE("a field of another type than its own says nothing") {
  const std::string begin = Text(1, kSession);
  const auto release =
      Read("ReleaseExecute", begin + Text(3, "operation") + Number(3, 1) + Number(4, 1) + Number(5, 1));
  CHECK(release->operation_id == "operation");
  CHECK_FALSE(release->is_release_all);
  CHECK(Read("ReleaseExecute", begin + Text(5, "") + Number(6, 1))->is_release_all);
  CHECK(Read("ReleaseSession", begin + Number(4, 1) + Text(4, "no"))->allows_reconnect);
  const std::string reattachable = Text(5, Text(1, Number(1, 1)));
  CHECK(Read("ExecutePlan", begin + reattachable + Number(5, 0))->is_reattachable);
  CHECK_FALSE(Read("ExecutePlan", begin + Number(5, 1))->is_reattachable);
}

TEST_CASE("a large plan behind the session does not matter") {
  auto request = Begun<spark::connect::ExecutePlanRequest>();
  request.set_plan(std::string(1 << 20, 'p'));
  const std::string framed = Framed(request.SerializeAsString());
  CHECK(WantedBytes("") == 5);
  CHECK(WantedBytes(framed) == kMaxHeldBytes);
  CHECK(WantedBytes(Framed("abc")) == 8);
  const auto fields = ReadFirstFields(Named("ExecutePlan"), std::string_view(framed).substr(0, kMaxHeldBytes));
  REQUIRE(fields.has_value());
  CHECK(fields->session_id == kSession);
  CHECK(fields->user_id == "ann");
}

TEST_CASE("whoever asks is read whatever else a user_context has, or the message is refused") {
  auto request = Begun<spark::connect::ConfigRequest>();
  auto* extension = request.mutable_user_context()->add_extensions();
  for (const int size : {100, 4'200, 30'000}) {
    CAPTURE(size);
    extension->set_value(std::string(static_cast<std::size_t>(size), 'x'));
    const auto fields = Read("Config", request.SerializeAsString());
    REQUIRE(fields.has_value());
    CHECK(fields->user_id == "ann");
  }
  extension->set_value(std::string(40'000, 'x'));
  const std::string framed = Framed(request.SerializeAsString());
  const auto fields = ReadFirstFields(Named("Config"), framed.substr(0, WantedBytes(framed)));
  CHECK(fields.status().code() == StatusCode::kInvalidArgument);
  CHECK(fields.status().message().find("user_context does not end within its first 32 KiB") != std::string::npos);
}

TEST_CASE("without a session_id at its beginning a message is refused") {
  CHECK(Read("Config", "").status().code() == StatusCode::kInvalidArgument);
  CHECK(Read("Config", Text(2, Text(1, "ann"))).status().code() == StatusCode::kInvalidArgument);
  const std::string late = Framed(Text(3, std::string(kMaxHeldBytes, 'p')) + Text(1, kSession));
  CHECK(ReadFirstFields(Named("Config"), std::string_view(late).substr(0, kMaxHeldBytes)).status().code() ==
        StatusCode::kInvalidArgument);
  // Cut inside the session_id.
  CHECK(ReadFirstFields(Named("Config"), Framed(Text(1, kSession)).substr(0, 30)).status().code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("a session_id that is no UUID is refused in the words of Spark") {
  for (const char* id : {"", "session-1", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefg",
                         "00112233x4455-6677-8899-aabbccddeeff", "../../../../etc/passwd/aaaaaaaaaaaaa"}) {
    const Status status = Read("Config", Text(1, id)).status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().starts_with("[INVALID_HANDLE.FORMAT]"));
  }
  CHECK(IsUuid("00112233-4455-6677-8899-AABBCCDDEEFF"));
}

TEST_CASE("compressed and malformed beginnings are refused") {
  CHECK(ReadFirstFields(Named("Config"), Framed(Text(1, kSession), 1)).status().code() == StatusCode::kUnimplemented);
  CHECK(Read("Config", Number(1, 5)).status().code() == StatusCode::kInvalidArgument);
  CHECK(Read("Config", Text(1, kSession) + Tag(3, 3)).status().code() == StatusCode::kInvalidArgument);
  CHECK(Read("Config", Text(1, kSession) + Number(2, 1)).status().code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sgw::core
