#include <doctest/doctest.h>

#include "tests/core/relay/gateway_rig.h"
#include "tests/core/relay/rig.h"

namespace sgw::core::testing {
namespace {

std::vector<std::string> All(const HeaderBlock& block, std::string_view name) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (block[i].name == name) values.emplace_back(block[i].value);
  }
  return values;
}
using Values = std::vector<std::string>;

// Once the client has ended, perhaps with its head.
void WhenAsked(Recorder& stream, const std::function<void()>& answer) {
  stream.on_headers = [&stream, answer] {
    if (stream.has_ended) answer();
  };
  stream.on_end = answer;
}

TEST_CASE("a server streams its messages as they come, while the client's side is closed") {
  Recorder call;
  Rig rig([](Recorder& stream) {
    stream.on_end = [&stream] {
      stream.stream->SendHeaders(kHead, false);
      stream.stream->SendData(Piece::Copy(Framed("first")));
    };
  });
  rig.Open(call);
  rig.Send(call, Framed("go"), true);
  REQUIRE(call.WaitFor([&] { return call.body == Framed("first"); }));
  CHECK(!call.has_ended);
  rig.driver.Run([&] {
    rig.driver.served[0]->stream->SendData(Piece::Copy(Framed("second")));
    rig.driver.served[0]->stream->SendEnd({{"grpc-status", "0"}});
  });
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.body == Framed("first") + Framed("second"));
  CHECK(call.trailers.Get("grpc-status") == "0");
}

TEST_CASE("a client streams its messages as it likes, and its half-close brings the answer") {
  Recorder call;
  Rig rig([](Recorder& stream) {
    stream.on_end = [&stream] {
      stream.stream->SendHeaders(kHead, false);
      stream.stream->SendData(Piece::Copy(Framed("thanks")));
      stream.stream->SendEnd({{"grpc-status", "0"}});
    };
  });
  rig.Open(call);
  for (int i = 1; i <= 3; ++i) {
    rig.Send(call, Framed("part"));
    Recorder* served = nullptr;
    while (!served) rig.driver.Run([&] { served = rig.driver.served.empty() ? nullptr : rig.driver.served[0].get(); });
    REQUIRE(served->WaitFor([&] { return served->received == 9U * i; }));
    CHECK(!served->has_ended);
  }
  rig.Send(call, "", true);
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.body == Framed("thanks"));
  CHECK(call.close.reason == CloseReason::kEnded);
}

TEST_CASE("in a dialogue each side is heard at once, and either may end first") {
  for (const bool driver_first : {false, true}) {
    CAPTURE(driver_first);
    Recorder call;
    Rig rig([driver_first](Recorder& stream) {
      stream.on_headers = [&stream] { stream.stream->SendHeaders(kHead, false); };
      stream.on_data = [&stream, driver_first](Piece piece) {
        const bool is_last = driver_first && piece.view() == Framed("bye");
        stream.stream->SendData(std::move(piece));
        if (is_last) stream.stream->SendEnd({{"grpc-status", "0"}});
      };
      stream.on_end = [&stream] { stream.stream->SendEnd({{"grpc-status", "0"}}); };
    });
    rig.Open(call);
    std::string said;
    for (const char* word : {"one", "two", "bye"}) {
      rig.Send(call, Framed(word));
      said += Framed(word);
      REQUIRE(call.WaitFor([&] { return call.body == said; }));
    }
    if (!driver_first) rig.Send(call, "", true);
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    CHECK(call.trailers.Get("grpc-status") == "0");
    CHECK(rig.WaitForEnded(1)[0].outcome.code == StatusCode::kOk);
  }
}

TEST_CASE("repeated keys and binary values are the same on the other side, in every block of both directions") {
  const std::string details = "CAMSBWhlbGxv/+8=";
  Recorder call;
  Rig rig([&](Recorder& stream) {
    WhenAsked(stream, [&stream, details] {
      stream.stream->SendHeaders({{":status", "200"},
                                  {"content-type", "application/grpc+proto"},
                                  {"x-many", "1"},
                                  {"x-many", "2"},
                                  {"x-head-bin", "//79/A"},
                                  {"grpc-encoding", "identity"}},
                                 false);
      stream.stream->SendEnd({{"grpc-status", "13"},
                              {"grpc-message", "a%0Ab%25"},
                              {"grpc-status-details-bin", details},
                              {"x-many", "3"},
                              {"x-many", "4"},
                              {"x-many", ""}});
    });
  });
  rig.Open(call, false, {{"x-many", "a"}, {"x-many", "b"}, {"x-many", ""}, {"x-key-bin", "AAH+/w"}, {"x-key-bin", ""}});
  rig.Send(call, "", true);
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  const HeaderBlock& seen = rig.driver.served[0]->headers;
  CHECK(All(seen, "x-many") == Values{"a", "b", ""});
  CHECK(All(seen, "x-key-bin") == Values{"AAH+/w", ""});
  CHECK(All(call.headers, "x-many") == Values{"1", "2"});
  CHECK(call.headers.Get("content-type") == "application/grpc+proto");
  CHECK(call.headers.Get("x-head-bin") == "//79/A");
  CHECK(All(call.trailers, "x-many") == Values{"3", "4", ""});
  CHECK(call.trailers.Get("grpc-status-details-bin") == details);
  CHECK(call.trailers.Get("grpc-message") == "a%0Ab%25");
}

TEST_CASE("a driver hears of a deadline only when the client has one") {
  Recorder without, with;
  Rig rig([](Recorder& stream) {
    WhenAsked(stream, [&stream] {
      stream.stream->SendHeaders({{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "0"}},
                                 true);
    });
  });
  rig.Open(without, true);
  REQUIRE(without.WaitFor([&] { return without.has_headers || without.is_closed; }));
  rig.Open(with, true, {{"grpc-timeout", "7M"}});
  bool are_there = false;
  while (!are_there) rig.driver.Run([&] { are_there = rig.driver.served.size() == 2; });
  REQUIRE(rig.driver.served[1]->WaitFor([&] { return rig.driver.served[1]->has_headers; }));
  CHECK(!rig.driver.served[0]->headers.Find("grpc-timeout"));
  CHECK(All(rig.driver.served[1]->headers, "grpc-timeout") == Values{"7M"});
}

TEST_CASE("a message that comes byte by byte is stamped like any other") {
  const std::string stamp = MakeStamp("s", "u", "n");
  Recorder call;
  Rig rig([](Recorder& stream) {
    stream.on_end = [&stream] {
      stream.stream->SendHeaders(kHead, false);
      stream.stream->SendEnd({{"grpc-status", "0"}});
    };
  });
  rig.plan.stamp = stamp;
  const std::string message =
      Framed("\x1a\x04" + std::string(4, 'x')) + Framed("") + Framed(std::string("\x20\x81\x80") + '\0');
  rig.Open(call, false, {{"content-length", std::to_string(message.size())}});
  for (const char byte : message) rig.Send(call, std::string(1, byte));
  rig.Send(call, "", true);
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(rig.driver.served[0]->body == Framed("\x1a\x04" + std::string(4, 'x') + stamp) + Framed(stamp) +
                                          Framed(std::string("\x20\x81\x80") + '\0' + stamp));
}

TEST_CASE("a client that ends inside a message is refused, and the driver sees no end") {
  Recorder call;
  Rig rig([](Recorder&) {});
  rig.plan.stamp = MakeStamp("s", "u", "n");
  rig.Open(call);
  rig.Send(call, Framed("\x1a\x04" + std::string(4, 'x')));
  Recorder* served = nullptr;
  while (!served) rig.driver.Run([&] { served = rig.driver.served.empty() ? nullptr : rig.driver.served[0].get(); });
  rig.Send(call, Framed("\x1a\x04" + std::string(4, 'x')).substr(0, 8), true);
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.headers.Get("grpc-status") == "3");
  REQUIRE(served->WaitFor([&] { return served->is_closed; }));
  CHECK(!served->has_ended);
  CHECK(served->close.code == ErrorCode::kCancel);
}

}  // namespace
}  // namespace sgw::core::testing
