#include "core/connect/status_details.h"

#include <doctest/doctest.h>

#include "core/connect/methods.h"
#include "spark_connect/base.pb.h"
#include "spark_connect/error_details.pb.h"
#include "tests/core/connect/wire.h"

namespace sgw::core {
namespace {

std::string FromBase64(std::string_view text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    REQUIRE(digit != std::string::npos);
    bits = bits << 6 | static_cast<unsigned>(digit);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8));
  }
  return out;
}

google::rpc::Status Parsed(const Status& status, const SparkError& error = {}) {
  google::rpc::Status parsed;
  REQUIRE(parsed.ParseFromString(FromBase64(StatusDetailsBin(status, error))));
  return parsed;
}

TEST_CASE("a plain refusal carries its code and sentence") {
  const auto parsed = Parsed(PermissionDenied("team 'ads' is not yours"));
  CHECK(parsed.code() == 7);
  CHECK(parsed.message() == "team 'ads' is not yours");
  CHECK(parsed.details_size() == 0);
}

TEST_CASE("a pause goes as RetryInfo") {
  const auto parsed = Parsed(Unavailable("soon", RetryIn(5'250ms)));
  google::rpc::RetryInfo retry;
  REQUIRE(parsed.details_size() == 1);
  REQUIRE(parsed.details(0).UnpackTo(&retry));
  CHECK(retry.retry_delay().seconds() == 5);
  CHECK(retry.retry_delay().nanos() == 250'000'000);
}

TEST_CASE("a lost session goes as the error that Spark clients know") {
  for (const bool is_lost : {true, false}) {
    const std::string error_class = is_lost ? "INVALID_HANDLE.SESSION_CHANGED" : "INVALID_HANDLE.SESSION_CLOSED";
    const Status status = is_lost ? SessionChanged("Its server is gone.") : SessionClosed("It was idle.");
    const auto parsed = Parsed(status, SparkErrorOf(status, kSession));
    CHECK(parsed.code() == 13);
    CHECK(parsed.message().starts_with("[" + error_class + "] "));
    google::rpc::ErrorInfo info;
    REQUIRE(parsed.details_size() == 1);
    REQUIRE(parsed.details(0).UnpackTo(&info));
    CHECK(info.reason() == "org.apache.spark.SparkSQLException");
    CHECK(info.domain() == "org.apache.spark");
    CHECK(info.metadata().at("errorClass") == error_class);
    CHECK(info.metadata().at("sqlState") == "HY000");
    CHECK(info.metadata().at("messageParameters") == "{\"handle\":\"" + kSession + "\"}");
    CHECK(info.metadata().at("classes") == "[\"org.apache.spark.SparkSQLException\"]");
    // With an errorId, clients ask a dead driver for more.
    CHECK(info.metadata().count("errorId") == 0);
  }
  CHECK(SparkErrorOf(Internal("SESSION_CHANGED"), kSession).error_class.empty());
}

TEST_CASE("the trailers stay below what Java clients take, in any language") {
  for (const std::string& letter : {std::string("a"), std::string("ü"), std::string("水"), std::string("🚀")}) {
    std::string message = "x";
    while (message.size() < 20'000) message += letter;
    const Status status = SessionChanged(message);
    const std::string details = StatusDetailsBin(status, SparkErrorOf(status, kSession));
    const std::string encoded = PercentEncoded(status.message());
    CHECK(details.size() + encoded.size() < 7'000);
    CHECK(Parsed(status).message().size() > 2'040);
    // Cut between characters: the encoded length is a whole number of letters behind the ASCII beginning.
    const std::size_t ascii = encoded.find('%') == std::string::npos ? 0 : encoded.size() - encoded.find('%');
    CHECK(ascii % (3 * letter.size()) == 0);
  }
}

TEST_CASE("bytes that are no text do not make the details unreadable") {
  CHECK(Parsed(InvalidArgument("header \xff\xc3 ü \xed\xa0\x80 \xc0\xaf")).message() == "header ?? ü ??? ??");
}

TEST_CASE("grpc-message is percent-encoded") { CHECK(PercentEncoded("50% of\nü") == "50%25 of%0A%C3%BC"); }

TEST_CASE("an empty reply says the session in the method's own field") {
  const auto reply = [](const char* method) {
    const auto got =
        Unframed(EmptyReply(FactsOf(std::string(kSparkConnectPrefix) + method).reply_session_field, kSession));
    REQUIRE(got.messages.size() == 1);
    return got.messages[0];
  };
  spark::connect::FetchErrorDetailsResponse fetched;
  REQUIRE(fetched.ParseFromString(reply("FetchErrorDetails")));
  CHECK(fetched.session_id() == kSession);
  spark::connect::ReleaseSessionResponse released;
  REQUIRE(released.ParseFromString(reply("ReleaseSession")));
  CHECK(released.session_id() == kSession);
  CHECK(released.server_side_session_id().empty());
}

}  // namespace
}  // namespace sgw::core
