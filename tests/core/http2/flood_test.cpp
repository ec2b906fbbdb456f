// Clients that mean harm: each costs its own connection, is counted, and costs nobody else anything.
#include <algorithm>
#include <ctime>

#include "tests/core/http2/pair.h"
#include "tests/core/http2/raw_client.h"

using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

// A server that answers every request at once, with what its connections complained of.
class Target {
 public:
  explicit Target(ConnectionOptions options = {})
      : pair(
            [](Recorder& recorder) {
              Recorder* self = &recorder;
              recorder.on_headers = [self] {
                if (!self->has_ended) return;
                self->stream->SendHeaders(kHead, false);
                self->stream->SendEnd({{"grpc-status", "0"}});
              };
            },
            Watched(std::move(options))) {}

  int Count(const std::string& reason) {
    int count = 0;
    pair.Run([&] { count = static_cast<int>(std::count(incidents_.begin(), incidents_.end(), reason)); });
    return count;
  }
  bool WaitFor(const std::string& reason, int count) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (Count(reason) < count && std::chrono::steady_clock::now() < until) poll(nullptr, 0, 1);
    return Count(reason) == count;
  }

  std::vector<std::string> incidents_;  // on the worker
  Pair pair;

 private:
  ConnectionOptions Watched(ConnectionOptions options) {
    options.on_incident = [this](const char* reason) { incidents_.emplace_back(reason); };
    return options;
  }
};

std::string Times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("quick cancellations, whose heads and resets come in one read, are no misuse of streams") {
  Target target;
  RawClient client(target.pair.address);
  std::string all;
  for (std::uint32_t id = 1; id < 1000; id += 2) {
    all +=
        FrameOf(FrameType::kHeaders, kEndHeaders, id, RequestHead()) + FrameOf(FrameType::kReset, 0, id, BigEndian(8));
  }
  client.Write(all);
  CHECK(client.Ping());
  CHECK(target.Count("bad_stream") == 0);
}

TEST_CASE("a flood of frames that want an answer from a peer that never reads ends the connection") {
  Target target;
  for (const std::string& frame : {FrameOf(FrameType::kPing, 0, 0, "12345678"), FrameOf(FrameType::kSettings, 0, 0)}) {
    const int before = target.Count("flood");
    RawClient client(target.pair.address);
    client.Push(Times(2'000'000 / static_cast<int>(frame.size()), frame));
    CHECK(target.WaitFor("flood", before + 1));
    CHECK(client.HasEnded());
  }
}

TEST_CASE("streams that nghttp2 resets for a peer that never reads do not queue without bound") {
  ConnectionOptions options;
  Target target(options);
  RawClient client(target.pair.address);
  std::string all;
  // More than the largest window is an error of its stream.
  for (std::uint32_t id = 1; id < 20'000; id += 2) {
    all += FrameOf(FrameType::kHeaders, kEndHeaders, id, RequestHead());
    all += FrameOf(FrameType::kWindowUpdate, 0, id, BigEndian(0x7fffffff));
  }
  client.Push(all);
  CHECK(target.WaitFor("flood", 1));
  CHECK(client.HasEnded());
}

TEST_CASE("what still comes for a stream that was one too many costs the other streams nothing") {
  ConnectionOptions options;
  options.max_streams = 1;
  Target target(options);
  RawClient client(target.pair.address);  // does not know of the limit yet
  client.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 1, RequestHead()));
  client.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 3, RequestHead()));
  CHECK(client.ReadStream(3) == "reset 7");
  client.Write(FrameOf(FrameType::kReset, 0, 1, BigEndian(8)));
  client.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 5, RequestHead()));
  client.Write(FrameOf(FrameType::kData, 0, 3, "late"));
  CHECK(client.Ping());
}

TEST_CASE("streams that are opened and reset without an end end the connection") {
  Target target;
  RawClient client(target.pair.address);
  std::string all;
  for (std::uint32_t id = 1; id < 6'000; id += 2) {
    all += FrameOf(FrameType::kHeaders, kEndHeaders, id, RequestHead());
    all += FrameOf(FrameType::kReset, 0, id, BigEndian(8));
  }
  client.Push(all);
  CHECK(client.HasEnded());
  CHECK(target.Count("flood") == 1);
}

TEST_CASE("a header block that goes on and on ends the connection") {
  Target target;
  RawClient client(target.pair.address);
  client.Write(FrameOf(FrameType::kHeaders, 0, 1, RequestHead()));
  client.Push(Times(1'000, FrameOf(FrameType::kContinuation, 0, 1)));
  CHECK(client.HasEnded());
  CHECK(target.Count("flood") == 1);
}

TEST_CASE("a single header field over 64 KiB ends the connection, with a reason that its peer can read") {
  Target target;
  RawClient client(target.pair.address);
  const std::string head = RequestHead() + Literal("x", std::string(70'000, 'v'));
  std::string block = FrameOf(FrameType::kHeaders, 0, 1, head.substr(0, 16'000));
  for (std::size_t at = 16'000; at < head.size(); at += 16'000) {
    block += FrameOf(FrameType::kContinuation, at + 16'000 < head.size() ? 0 : kEndHeaders, 1, head.substr(at, 16'000));
  }
  client.Write(block);
  const auto goaway = client.ReadUntil(FrameType::kGoaway, 0);
  REQUIRE(goaway);
  CHECK(goaway->payload.substr(4, 4) == BigEndian(9));  // COMPRESSION_ERROR
  CHECK(client.HasEnded());
  CHECK(target.Count("bad_protocol") == 1);
}

TEST_CASE("frames without a use are borne in small numbers, and a flood of them ends the connection") {
  const std::vector<std::string> frames = {
      FrameOf(FrameType::kData, 0, 1),                                // empty
      FrameOf(FrameType::kData, 8, 1, std::string("\4\0\0\0\0", 5)),  // padding alone
      FrameOf(FrameType::kPriority, 0, 3, std::string("\0\0\0\0\1", 5)),
      FrameOf(FrameType::kSettings, 0, 0, std::string("\0\4\0\1\0\0", 6)),
  };
  Target target;
  for (const std::string& frame : frames) {
    CAPTURE(frame);
    const int before = target.Count("flood");
    RawClient client(target.pair.address);
    client.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 1, RequestHead()));
    client.Write(Times(50, frame));
    REQUIRE(client.Ping());
    // Read as it is written, so that only their number can be too much.
    for (int i = 0; i < 100 && client.Write(Times(50, frame)) && client.Ping(); ++i) {
    }
    CHECK(client.HasEnded());
    CHECK(target.Count("flood") == before + 1);
  }
}

TEST_CASE("a block of header references that unfolds to gigabytes is refused for little time") {
  Target target;
  RawClient client(target.pair.address);
  // One field of 4,000 bytes goes into the table; a byte stands for it from then on.
  const std::string fine = RequestHead() + Literal("x", std::string(4'000, 'v'), 0x40);
  const std::string illegal = RequestHead() + Literal("x", std::string(4'000, '\1'), 0x40);
  const std::string bomb = FrameOf(FrameType::kContinuation, 0, 0, std::string(16'384, '\xbe'));
  timespec start{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  for (std::uint32_t id = 1; id < 80; id += 2) {
    std::string block = FrameOf(FrameType::kHeaders, kEndStream, id, id % 4 == 1 ? fine : illegal);
    for (int i = 0; i < 10; ++i) block += bomb.substr(0, 5) + BigEndian(id) + bomb.substr(9);
    block += FrameOf(FrameType::kContinuation, kEndHeaders, id);
    REQUIRE(client.Write(block));
    CHECK(client.ReadStream(id) == "reset 11");
  }
  timespec end{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  // 26 GB of fields in 6 MB.
  CHECK(static_cast<double>(end.tv_sec - start.tv_sec) + 1e-9 * static_cast<double>(end.tv_nsec - start.tv_nsec) < 5);
  CHECK(client.Ping());
  CHECK(target.Count("header_bytes") == 20);
  CHECK(target.Count("invalid_header") == 20);
}

TEST_CASE("a request whose headers are refused has an answer that its client can read") {
  ConnectionOptions options;
  options.max_header_fields = 10;
  options.max_header_bytes = 2'000;
  Target target(options);
  REQUIRE(target.pair.Connect().ok());
  const auto ask = [&](Recorder& call, const char* content_type, const HeaderBlock& more) {
    target.pair.Run([&] {
      HeaderBlock head{{":method", "POST"},
                       {":scheme", "http"},
                       {":path", "/"},
                       {":authority", "x"},
                       {"content-type", content_type}};
      for (std::size_t i = 0; i < more.size(); ++i) head.Add(more[i].name, more[i].value);
      call.stream = target.pair.client->Open(head, true, call);
    });
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    CHECK(call.close.reason == CloseReason::kEnded);
  };
  HeaderBlock many;
  for (int i = 0; i < 10; ++i) many.Add("a", "b");
  const std::string large(3'000, 'b');
  struct Bad {
    HeaderBlock fields;
    const char* grpc_status;
    const char* http_status;
  };
  for (const auto& bad : {Bad{many, "8", "431"}, Bad{{{"a", large}}, "8", "431"}, Bad{{{"a b", "c"}}, "3", "400"}}) {
    CAPTURE(bad.http_status);
    Recorder grpc, person;
    ask(grpc, "application/grpc", bad.fields);
    CHECK(grpc.headers.Get("grpc-status") == bad.grpc_status);
    CHECK(grpc.headers.Get("grpc-message").find("header field") != std::string::npos);
    ask(person, "text/html", bad.fields);
    CHECK(person.headers.Get(":status") == bad.http_status);
    CHECK(person.body.find("header field") != std::string::npos);
  }
  Recorder fine;
  ask(fine, "application/grpc", {});
  CHECK(fine.trailers.Get("grpc-status") == "0");
  CHECK(target.Count("header_count") == 2);
  CHECK(target.Count("header_bytes") == 2);
  CHECK(target.Count("invalid_header") == 2);
}

TEST_CASE("output that nobody wants any more counts, and a peer that does not read it is the one to go") {
  BufferBudget budget;
  budget.limit = 100'000;
  ConnectionOptions options;
  options.budget = &budget;
  std::vector<std::string> incidents;
  options.on_incident = [&](const char* reason) { incidents.emplace_back(reason); };
  Pair pair(
      [](Recorder& recorder) {
        Recorder* self = &recorder;
        recorder.on_headers = [self] {
          self->stream->SendHeaders(kHead, false);
          for (int i = 0; i < 64; ++i) self->stream->SendData(Piece::Copy(std::string(1 << 20, 'x')));
        };
        // Its owner goes with the stream.
        recorder.on_closed = [self] { std::exchange(self->stream, nullptr)->SetHandler(nullptr); };
      },
      options);
  RawClient client(pair.address);
  client.Write(FrameOf(FrameType::kSettings, 0, 0, std::string("\0\4\x7f\0\0\0", 6)));
  client.Write(FrameOf(FrameType::kWindowUpdate, 0, 0, BigEndian(0x7f000000)));
  client.Write(FrameOf(FrameType::kHeaders, kEndHeaders | kEndStream, 1, RequestHead()));
  std::size_t before = 0;
  for (std::size_t now = 1; now != before;) {  // until the socket is full
    before = now;
    pair.Run([&] { now = pair.served.empty() ? 0 : pair.served[0]->sent + 1; });
    poll(nullptr, 0, 20);
  }
  client.Write(FrameOf(FrameType::kReset, 0, 1, BigEndian(8)));
  bool is_closed = false;
  while (!is_closed) {
    pair.Run([&] {
      is_closed = pair.served[0]->is_closed;
      if (is_closed) CHECK(budget.held > 100'000);
    });
  }
  // Other bytes bring the bound to notice.
  RawClient other(pair.address);
  other.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 1, RequestHead()));
  other.Write(FrameOf(FrameType::kData, 0, 1, "x"));
  while (budget.held > 100'000) pair.Run([] {});
  pair.Run([&] { CHECK(incidents == std::vector<std::string>{"held_bytes"}); });
}
