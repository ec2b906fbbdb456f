#include "core/relay/stream_pair.h"

#include "tests/core/relay/rig.h"

namespace sgw::core::testing {
namespace {

// Answers with what it got, when the client has ended.
void EchoWithTrailer(Recorder& stream) {
  stream.on_end = [&stream] {
    stream.stream->SendHeaders(kHead, false);
    stream.stream->SendData(Piece::Copy(stream.body));
    stream.stream->SendEnd({{"grpc-status", "0"}, {"x-trailer-bin", "AAEC"}});
  };
}

TEST_CASE("a unary call is relayed byte for byte, with its metadata and trailers") {
  Rig rig(EchoWithTrailer);
  Recorder call;
  rig.Open(call, false,
           {{"x-a", "1"},
            {"x-a", "2"},
            {"x-data-bin", "AAEC"},
            {"grpc-timeout", "10S"},
            {"x-spark-gateway-call", "forged"}});
  rig.Send(call, Framed("hello"), true);

  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.body == Framed("hello"));
  CHECK(call.headers.Get(":status") == "200");
  CHECK(call.trailers.Get("grpc-status") == "0");
  CHECK(call.trailers.Get("x-trailer-bin") == "AAEC");
  CHECK(call.close.reason == CloseReason::kEnded);
  const Recorder& served = *rig.driver.served[0];
  CHECK(served.headers.Get(":authority") == rig.driver.address);
  CHECK(served.headers.Get("grpc-timeout") == "10S");
  CHECK(served.headers.Get("x-data-bin") == "AAEC");
  CHECK(!served.headers.Find("x-spark-gateway-call"));
  int repeated = 0;
  for (std::size_t i = 0; i < served.headers.size(); ++i) repeated += served.headers[i].name == "x-a";
  CHECK(repeated == 2);
  const Ended ended = rig.WaitForEnded(1)[0];
  CHECK(ended.outcome.code == StatusCode::kOk);
  CHECK(ended.from_client == 10);
  CHECK(ended.to_client == 10);
}

TEST_CASE("megabytes pass in both directions at once") {
  Rig rig([](Recorder& stream) {
    stream.keeps_body = true;
    stream.on_headers = [&stream] { stream.stream->SendHeaders(kHead, false); };
    stream.on_data = [&stream](Piece piece) { stream.stream->SendData(std::move(piece)); };
    stream.on_end = [&stream] { stream.stream->SendEnd({{"grpc-status", "0"}}); };
  });
  std::string big(9'000'000, '\0');  // NOLINT(bugprone-string-constructor)
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 2654435761U >> 13);
  Recorder call;
  rig.Open(call);
  rig.Send(call, big, true);

  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.body == big);
  CHECK(call.close.reason == CloseReason::kEnded);
}

TEST_CASE("a response of trailers alone ends the call and the request side") {
  Rig rig([](Recorder& stream) {
    stream.on_headers = [&stream] {
      stream.stream->SendHeaders({{":status", "200"},
                                  {"content-type", "application/grpc"},
                                  {"grpc-status", "12"},
                                  {"grpc-status-details-bin", "CAwSAXg"}},
                                 true);
    };
  });
  Recorder call;
  rig.Open(call);
  rig.Send(call, Framed("never read"));

  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.headers.Get("grpc-status") == "12");
  CHECK(call.headers.Get("grpc-status-details-bin") == "CAwSAXg");
  CHECK(rig.WaitForEnded(1)[0].outcome.code == StatusCode::kUnimplemented);
}

TEST_CASE("a client that leaves reaches the driver as CANCEL, never as an end") {
  Rig rig([](Recorder&) {});
  Recorder call;
  rig.Open(call);
  rig.Send(call, Framed("part"));
  rig.driver.Run([] {});
  Recorder* served = nullptr;
  while (!served) rig.driver.Run([&] { served = rig.driver.served.empty() ? nullptr : rig.driver.served[0].get(); });
  REQUIRE(served->WaitFor([&] { return served->received == 9; }));
  rig.OnClient([&] { call.stream->Reset(ErrorCode::kCancel); });

  REQUIRE(served->WaitFor([&] { return served->is_closed; }));
  CHECK(served->close.code == ErrorCode::kCancel);
  CHECK(!served->has_ended);
  CHECK(rig.WaitForEnded(1)[0].outcome.code == StatusCode::kCancelled);
}

TEST_CASE("a stream that the driver resets becomes a status, before and after its head") {
  for (const bool is_late : {false, true}) {
    CAPTURE(is_late);
    Rig rig([is_late](Recorder& stream) {
      stream.on_headers = [&stream, is_late] {
        if (is_late) {
          stream.stream->SendHeaders(kHead, false);
          stream.stream->SendData(Piece::Copy(Framed("one")));
        }
      };
      stream.on_sent = [&stream](std::size_t) { stream.stream->Reset(ErrorCode::kEnhanceYourCalm); };
      stream.on_data = [&stream, is_late](Piece) {
        if (!is_late) stream.stream->Reset(ErrorCode::kEnhanceYourCalm);
      };
    });
    Recorder call;
    rig.Open(call);
    rig.Send(call, Framed("x"));
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    const HeaderBlock& fields = is_late ? call.trailers : call.headers;
    CHECK(fields.Get("grpc-status") == "8");
    CHECK(fields.Get("grpc-message").find("ENHANCE_YOUR_CALM. [call c1]") != std::string_view::npos);
    CHECK(fields.Find("grpc-status-details-bin"));
  }
}

TEST_CASE("a driver that cannot be reached is UNAVAILABLE, and the next one is tried") {
  Rig rig(EchoWithTrailer);
  rig.plan.endpoints.insert(rig.plan.endpoints.begin(), {.address = "127.0.0.1:1"});
  Recorder call;
  rig.Open(call);
  rig.Send(call, Framed("hello"), true);
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.trailers.Get("grpc-status") == "0");

  rig.plan.endpoints.pop_back();
  Recorder refused;
  rig.Open(refused);
  REQUIRE(refused.WaitFor([&] { return refused.is_closed; }));
  CHECK(refused.headers.Get("grpc-status") == "14");
}

TEST_CASE("a connection that is lost in a call is UNAVAILABLE, and the call is not sent again") {
  std::atomic<int> seen{0};
  Rig rig([&seen](Recorder& stream) { stream.on_data = [&seen](Piece) { ++seen; }; });
  Recorder call;
  rig.Open(call);
  rig.Send(call, Framed("x"), true);
  while (seen == 0) rig.driver.Run([] {});
  rig.driver.Run([&] { rig.driver.servers[0].lock()->Close(); });
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.headers.Get("grpc-status") == "14");
  CHECK(seen == 1);
}

TEST_CASE("stamps go behind every message and are not credited to the client") {
  Rig rig([](Recorder& stream) {
    stream.on_end = [&stream] {
      stream.stream->SendHeaders(kHead, false);
      stream.stream->SendEnd({{"grpc-status", "0"}});
    };
  });
  const std::string stamp = MakeStamp("s", "u", "n");
  rig.plan.stamp = stamp;
  const std::string message = "\x1a\x08" + std::string(8, 'x');
  Recorder call;
  rig.Open(call);
  std::string sent;
  for (int i = 0; i < 30'000; ++i) sent += Framed(message);
  rig.Send(call, sent, true);

  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.trailers.Get("grpc-status") == "0");
  std::string expected;
  for (int i = 0; i < 30'000; ++i) expected += Framed(message + stamp);
  CHECK(rig.driver.served[0]->body == expected);
  CHECK(rig.WaitForEnded(1)[0].from_client == sent.size());
}

TEST_CASE("a message that would swallow the stamp never reaches the driver whole") {
  Rig rig([](Recorder&) {});
  rig.plan.stamp = MakeStamp("s", "u", "n");
  // Field 15, of as many bytes as the stamp has: more than the message holds.
  const std::string attack = "\x7a" + std::string(1, static_cast<char>(rig.plan.stamp.size()));
  Recorder call;
  rig.Open(call);
  rig.Send(call, Framed(attack));
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.headers.Get("grpc-status") == "3");
}

TEST_CASE("what is sent before the driver is known waits, and goes first") {
  Rig rig(EchoWithTrailer);
  rig.plan.connects_at_once = false;
  Recorder call;
  rig.Open(call);
  rig.Send(call, Framed("held"), true);
  // Until the gateway has all of it.
  for (std::size_t received = 0; received < Framed("held").size();) {
    RunOn(rig.gateway(), [&] { received = rig.received(); });
  }
  CHECK(rig.table.Snapshot().empty());
  RunOn(rig.gateway(), [&] { rig.call().Connect({.address = rig.driver.address}); });
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.body == Framed("held"));
}

}  // namespace
}  // namespace sgw::core::testing
