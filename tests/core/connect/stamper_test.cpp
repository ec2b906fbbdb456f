#include "core/connect/stamper.h"

#include <doctest/doctest.h>

#include "spark_connect/base.pb.h"
#include "tests/core/connect/wire.h"

namespace sgw::core {
namespace {

TEST_CASE("a stamp names the session and both names, also when they are empty") {
  CHECK(MakeStamp(kSession, "", "") == Text(1, kSession) + Text(2, Text(1, "") + Text(2, "")));
  CHECK(kStamp == Text(1, kSession) + Text(2, Text(1, "ann") + Text(2, "Ann")));
}

TEST_CASE("every message of a stream is stamped, whatever the pieces") {
  std::string stream, expected;
  for (int i = 0; i < 5; ++i) {
    const std::string message = Text(1, kSession) + Text(2, Text(1, "victim")) + Text(5, std::string(50 * i, 'x'));
    stream += Framed(message);
    expected += Framed(message + kStamp);
  }
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    Stamped driver(kStamp);
    CHECK(driver.Send(stream, size).ok());
    CHECK(driver.sent == expected);
    CHECK(driver.stamps == 5);
  }
}

TEST_CASE("the driver reads the verified names and keeps the extensions") {
  spark::connect::AddArtifactsRequest request;
  request.set_session_id(kSession);
  request.mutable_user_context()->set_user_id("victim");
  request.mutable_user_context()->set_user_name("Victim");
  request.mutable_user_context()->add_extensions()->set_type_url("trace");
  request.set_batch("jar");
  for (const char* user : {"ann", ""}) {
    Stamped driver(MakeStamp(kSession, user, user));
    REQUIRE(driver.Send(Framed(request.SerializeAsString())).ok());
    spark::connect::AddArtifactsRequest parsed;
    REQUIRE(parsed.ParseFromString(Unframed(driver.sent).messages.at(0)));
    CHECK(parsed.user_context().user_id() == user);
    CHECK(parsed.user_context().user_name() == user);
    CHECK(parsed.user_context().extensions(0).type_url() == "trace");
    CHECK(parsed.session_id() == kSession);
    CHECK(parsed.batch() == "jar");
  }
}

TEST_CASE("what stands behind a plan of any size is read when the first message has passed") {
  const MethodFacts& facts = FactsOf(std::string(kSparkConnectPrefix) + "ExecutePlan");
  spark::connect::ExecutePlanRequest request;
  request.set_session_id(kSession);
  request.set_plan(std::string(100'000, 'p'));
  request.set_client_type("python");
  request.set_operation_id("the first");
  request.add_request_options()->mutable_reattach_options()->set_reattachable(true);
  // The last of what is repeated counts, and of options one that says so.
  const std::string first = Framed(request.SerializeAsString() + Text(5, "") + Text(6, "the operation"));
  const std::string second = Framed(Text(1, kSession) + Text(6, "no longer") + Text(4, "read"));
  for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::string::npos}) {
    Stamped driver(kStamp);
    driver.stamper.ReadFirst(facts);
    REQUIRE(driver.Send(first + second, size).ok());
    REQUIRE(driver.first.size() == 1);
    CHECK(driver.first[0].is_whole);
    CHECK(driver.first[0].client_type == "python");
    CHECK(driver.first[0].operation_id == "the operation");
    CHECK(driver.first[0].is_reattachable);
    CHECK(driver.stamps == 2);
  }
  // Nothing is said of a message that is not whole.
  Stamped driver(kStamp);
  driver.stamper.ReadFirst(facts);
  CHECK_FALSE(driver.Send(first.substr(0, first.size() - 1)).ok());
  CHECK(driver.first.empty());
}

TEST_CASE("a message that names no session gets that of the call") {
  Stamped driver(kStamp);
  CHECK(driver.Send(Framed("") + Framed(Text(5, "chunk"))).ok());
  CHECK(driver.sent == Framed(kStamp) + Framed(Text(5, "chunk") + kStamp));
}

TEST_CASE("a message that names another session is refused before its end") {
  const std::string good = Framed(Text(1, kSession));
  for (const std::string& bad : {Text(1, kOtherSession), Text(1, ""), Text(1, kSession) + Text(1, kOtherSession),
                                 Text(1, kOtherSession) + Text(1, kSession), Text(1, kSession + "0")}) {
    for (const std::size_t size : {std::string::npos, std::size_t{1}, std::size_t{17}}) {
      Stamped driver(kStamp);
      const Status status = driver.Send(good + Framed(bad) + good, size);
      CHECK(status.code() == StatusCode::kInvalidArgument);
      CHECK(driver.stamps == 1);
      CHECK(Unframed(driver.sent).messages.size() == 1);
    }
  }
  Stamped driver(kStamp);
  CHECK(driver.Send(Framed(Text(1, kSession) + Text(1, kSession))).ok());
}

TEST_CASE("a refusal stays") {
  Stamped driver(kStamp);
  REQUIRE_FALSE(driver.Send(Framed(Tag(3, 3))).ok());
  const std::string sent = driver.sent;
  CHECK_FALSE(driver.Send(Framed(Text(1, kSession))).ok());
  CHECK(driver.sent == sent);
}

TEST_CASE("compressed messages and unknown flags are refused") {
  CHECK(Stamped(kStamp).Send(Framed(Text(1, kSession), 1)).code() == StatusCode::kUnimplemented);
  CHECK_FALSE(Stamped(kStamp).Send(Framed(Text(1, kSession), 2)).ok());
  CHECK_FALSE(Stamped(kStamp).Send(Framed(Text(1, kSession), '\x80')).ok());
}

TEST_CASE("a message whose length has no room for the stamp is refused") {
  for (const std::string& prefix : {std::string("\0\x7f\xff\xff\xff", 5), std::string("\0\xff\xff\xff\xff", 5)}) {
    Stamped driver(kStamp);
    CHECK_FALSE(driver.Send(prefix).ok());
    CHECK(driver.sent.empty());
  }
}

TEST_CASE("a stream may end only between messages") {
  const std::string stream = Framed(Text(1, kSession) + Number(3, 1000));
  for (std::size_t size = 1; size < stream.size(); ++size) {
    Stamped driver(kStamp);
    CHECK(driver.Send(stream.substr(0, size)).code() == StatusCode::kInvalidArgument);
    CHECK(driver.stamps == 0);
  }
  CHECK(Stamped(kStamp).Send(stream).ok());
  CHECK(Stamped(kStamp).Send("").ok());
}

}  // namespace
}  // namespace sgw::core
