#include "core/connect/reply_reader.h"

#include <doctest/doctest.h>

#include "spark_connect/base.pb.h"
#include "tests/core/connect/wire.h"

namespace sgw::core {
namespace {

ReplyReader ReaderOf(const std::string& method) {
  return ReplyReader(FactsOf(std::string(kSparkConnectPrefix) + method));
}

std::string Batch(std::size_t bytes) {
  spark::connect::ExecutePlanResponse response;
  response.set_session_id(kSession);
  response.set_operation_id("op-1");
  response.mutable_arrow_batch()->set_data(std::string(bytes, 'a'));
  return Framed(response.SerializeAsString());
}

std::string Complete() {
  spark::connect::ExecutePlanResponse response;
  response.mutable_result_complete();
  return Framed(response.SerializeAsString());
}

TEST_CASE("a stream that ends without ResultComplete has not completed its operation") {
  const std::string stream = Batch(0) + Batch(5'000) + Batch(10);
  for (const std::size_t size : {1, 7, 4'096, 100'000}) {
    auto reader = ReaderOf("ExecutePlan");
    for (std::size_t at = 0; at < stream.size(); at += size) reader.Feed(std::string_view(stream).substr(at, size));
    CHECK(reader.operation_id() == "op-1");
    CHECK_FALSE(reader.has_result_complete());
    reader.Feed(Complete());
    CHECK(reader.has_result_complete());
  }
}

TEST_CASE("a clone's reply names the new session") {
  spark::connect::CloneSessionResponse response;
  response.set_session_id(kSession);
  response.set_new_session_id(kOtherSession);
  auto reader = ReaderOf("CloneSession");
  reader.Feed(Framed(response.SerializeAsString()));
  CHECK(reader.new_session_id() == kOtherSession);
}

TEST_CASE("fields of other replies are not taken for those of an execution") {
  auto reader = ReaderOf("Config");
  reader.Feed(Complete());
  CHECK_FALSE(reader.has_result_complete());
}

TEST_CASE("what is not understood ends the reading and nothing else") {
  auto reader = ReaderOf("ExecutePlan");
  reader.Feed(Framed(Tag(3, 3)) + Complete());
  reader.Feed("more");
  CHECK_FALSE(reader.has_result_complete());
}

}  // namespace
}  // namespace sgw::core
