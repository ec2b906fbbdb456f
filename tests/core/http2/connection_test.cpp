#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/core/http2/pair.h"
#include "tests/core/http2/raw_client.h"

using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

std::atomic<int> failed_writes{0};  // to a connection that the other side has reset

}  // namespace

// The system's own, which a test can look at.
extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  const ssize_t size = syscall(SYS_sendmsg, fd, message, flags);
  if (size < 0 && (errno == ECONNRESET || errno == EPIPE)) ++failed_writes;
  return size;
}

namespace {

// Answers with what it got.
void Echo(Recorder& recorder) {
  Recorder* self = &recorder;
  recorder.on_headers = [self] { self->stream->SendHeaders(kHead, false); };
  recorder.on_data = [self](Piece piece) { self->stream->SendData(std::move(piece)); };
  recorder.on_end = [self] { self->stream->SendEnd({{"grpc-status", "0"}, {"k", "a"}, {"k", "b"}}); };
}

// Answers a head without a body at once.
void AnswerAtOnce(Recorder& recorder) {
  Recorder* self = &recorder;
  recorder.on_headers = [self] {
    if (!self->has_ended) return;
    self->stream->SendHeaders({{":status", "200"}}, false);
    self->stream->SendEnd({{"grpc-status", "0"}});
  };
}

}  // namespace

TEST_CASE("an echo comes back whole, with head, body and trailers in their order") {
  Pair pair(Echo);
  REQUIRE(pair.Connect().ok());
  Recorder call;
  pair.Open(call, false);
  std::string sent;
  for (int i = 0; i < 200'000; ++i) sent += std::to_string(i);
  pair.Run([&] {
    call.stream->SendData(Piece::Copy(sent));
    call.stream->SendEnd();
  });
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  CHECK(call.headers.Get(":status") == "200");
  CHECK(call.body == sent);
  REQUIRE(call.trailers.size() == 3);
  CHECK(call.trailers[1].value == "a");
  CHECK(call.trailers[2].value == "b");
  CHECK(call.close.reason == CloseReason::kEnded);
  CHECK(call.close.is_sent);
  CHECK(call.sent == sent.size());
}

TEST_CASE("a field that no table may keep stays one, in a head, in trailers and in copies") {
  Pair pair([](Recorder& recorder) {
    Recorder* self = &recorder;
    recorder.on_headers = [self] {
      HeaderBlock back = self->headers;
      back.RemoveIf([](const HeaderField& field) { return !field.name.starts_with("x-"); });
      self->stream->SendHeaders(kHead, false);
      self->stream->SendEnd(std::move(back));
    };
  });
  REQUIRE(pair.Connect().ok());
  Recorder call;
  const HeaderBlock head{{":method", "POST"},    {":scheme", "http"}, {":path", "/test"},
                         {":authority", "test"}, {"x-kept", "seen"},  {"x-secret", "hidden", true}};
  pair.Run([&] {
    call.stream = pair.client->Open(head, true, call);
    REQUIRE(call.stream);
  });
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  REQUIRE(call.trailers.size() == 2);
  CHECK(call.trailers[0].name == "x-kept");
  CHECK(!call.trailers[0].is_never_indexed);
  CHECK(call.trailers[1].value == "hidden");
  CHECK(call.trailers[1].is_never_indexed);
}

TEST_CASE("a reset by either side reaches the other with its code") {
  Pair pair([](Recorder& recorder) {
    Recorder* self = &recorder;
    recorder.on_data = [self](Piece) { self->stream->Reset(ErrorCode::kEnhanceYourCalm); };
  });
  REQUIRE(pair.Connect().ok());
  Recorder refused;
  pair.Open(refused, false);
  pair.Run([&] { refused.stream->SendData(Piece::Copy("x")); });
  REQUIRE(refused.WaitFor([&] { return refused.is_closed; }));
  CHECK(refused.close.reason == CloseReason::kPeerReset);
  CHECK(refused.close.code == ErrorCode::kEnhanceYourCalm);

  Recorder left;
  pair.Open(left, false);
  Recorder* seen = nullptr;
  while (!seen) pair.Run([&] { seen = pair.served.size() == 2 ? pair.served[1].get() : nullptr; });
  pair.Run([&] { left.stream->Reset(ErrorCode::kCancel); });
  REQUIRE(seen->WaitFor([&] { return seen->is_closed; }));
  CHECK(seen->close.reason == CloseReason::kPeerReset);
  CHECK(seen->close.code == ErrorCode::kCancel);
}

TEST_CASE("a reader that stops holds one window of bytes, and its neighbours go on") {
  Pair pair([](Recorder& recorder) {
    Recorder* self = &recorder;
    recorder.on_headers = [self] {
      self->stream->SendHeaders(kHead, false);
      for (int i = 0; i < 64; ++i) self->stream->SendData(Piece::Copy(std::string(1 << 20, 'x')));
      self->stream->SendEnd();
    };
  });
  REQUIRE(pair.Connect().ok());
  std::vector<std::unique_ptr<Recorder>> stuck;
  for (int i = 0; i < 20; ++i) {
    stuck.push_back(std::make_unique<Recorder>());
    stuck.back()->credits = false;
    stuck.back()->keeps_body = false;
    pair.Open(*stuck.back(), true);
  }
  for (auto& one : stuck) REQUIRE(one->WaitFor([&] { return one->received == 256 * 1024; }));
  Recorder reader;
  reader.keeps_body = false;
  pair.Open(reader, true);
  REQUIRE(reader.WaitFor([&] { return reader.is_closed; }));
  CHECK(reader.received == std::size_t{64} << 20);
  for (auto& one : stuck) CHECK(one->WaitFor([&] { return one->received == 256 * 1024; }));
  pair.Run([&] {
    CHECK(pair.client->held_bytes() == 20 * 256 * 1024);
    for (auto& one : stuck) one->stream->Reset(ErrorCode::kCancel);
  });
  for (auto& one : stuck) REQUIRE(one->WaitFor([&] { return one->is_closed; }));
  pair.Run([&] { CHECK(pair.client->held_bytes() == 0); });
}

TEST_CASE("at the bound for held bytes the stream that holds the most is told to go") {
  ConnectionOptions options;
  options.max_held_bytes = 100'000;
  std::atomic<int> incidents{0};
  options.on_incident = [&](const char* reason) { incidents += std::string(reason) == "held_bytes"; };
  Pair pair(
      [](Recorder& recorder) {
        Recorder* self = &recorder;
        recorder.on_headers = [self] {
          self->stream->SendHeaders(kHead, false);
          self->stream->SendData(Piece::Copy(std::string(self->headers.Get(":path") == "/big" ? 90'000 : 20'000, 'x')));
        };
      },
      {}, options);
  REQUIRE(pair.Connect().ok());
  Recorder big, small;
  big.credits = small.credits = false;
  pair.Open(big, true, "/big");
  REQUIRE(big.WaitFor([&] { return big.received == 90'000; }));
  pair.Open(small, true, "/small");
  REQUIRE(big.WaitFor([&] { return big.is_closed; }));
  CHECK(big.is_over_budget);
  REQUIRE(small.WaitFor([&] { return small.received == 20'000; }));
  CHECK_FALSE(small.is_over_budget);
  CHECK(incidents == 1);
  pair.Run([&] { small.stream->Reset(ErrorCode::kCancel); });
  REQUIRE(small.WaitFor([&] { return small.is_closed; }));
}

TEST_CASE("a drained server lets running streams end and takes no new ones") {
  Pair pair(Echo);
  REQUIRE(pair.Connect().ok());
  Recorder running;
  pair.Open(running, false);
  pair.Run([&] { running.stream->SendData(Piece::Copy("a")); });
  REQUIRE(running.WaitFor([&] { return running.received == 1; }));
  pair.Run([&] { pair.servers[0].lock()->Drain(); });
  bool can_open = true;
  while (can_open) pair.Run([&] { can_open = pair.client->can_open(); });
  pair.Run([&] { running.stream->SendEnd(); });
  REQUIRE(running.WaitFor([&] { return running.is_closed; }));
  CHECK(running.close.reason == CloseReason::kEnded);
  while (!pair.client_closed) pair.Run([] {});
}

TEST_CASE("a header list over its bound ends that stream alone") {
  ConnectionOptions options;
  options.max_header_fields = 10;
  Pair pair(Echo, options);
  REQUIRE(pair.Connect().ok());
  Recorder many;
  pair.Run([&] {
    HeaderBlock block = {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "x"}};
    for (int i = 0; i < 20; ++i) block.Add("h" + std::to_string(i), "v");
    many.stream = pair.client->Open(block, false, many);
  });
  REQUIRE(many.WaitFor([&] { return many.is_closed; }));
  CHECK(many.headers.Get(":status") == "431");
  Recorder fine;
  pair.Open(fine, false);
  pair.Run([&] { fine.stream->SendEnd(); });
  REQUIRE(fine.WaitFor([&] { return fine.is_closed; }));
  CHECK(fine.close.reason == CloseReason::kEnded);
}

TEST_CASE("what is not HTTP/2 is told so and counted") {
  std::mutex mutex;
  std::vector<std::string> incidents;
  ConnectionOptions options;
  options.on_incident = [&](const char* reason) {
    const std::lock_guard lock(mutex);
    incidents.emplace_back(reason);
  };
  Pair pair(Echo, options);
  const int http1 = RawConnect(pair.address);
  const std::string request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
  REQUIRE(write(http1, request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  const std::string answer = ReadAll(http1);
  CHECK(answer.rfind("HTTP/1.1 505 ", 0) == 0);
  CHECK(answer.find("speaks gRPC over HTTP/2") != std::string::npos);
  const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
  CHECK(answer.find("content-length: " + std::to_string(body.size()) + "\r\n") != std::string::npos);
  const int tls = RawConnect(pair.address);
  REQUIRE(write(tls, "\x16\x03\x01", 3) == 3);
  CHECK(ReadAll(tls).empty());
  const int nonsense = RawConnect(pair.address);
  const std::string preface = "INVALID CONNECTION PREFACE\r\n\r\n";
  REQUIRE(write(nonsense, preface.data(), preface.size()) == static_cast<ssize_t>(preface.size()));
  bool is_clean = false;
  CHECK(ReadAll(nonsense, &is_clean).empty());
  CHECK(is_clean);
  for (const int fd : {http1, tls, nonsense}) close(fd);
  const std::lock_guard lock(mutex);
  CHECK(incidents == std::vector<std::string>{"http1", "tls_on_plain_port", "bad_protocol"});
}

TEST_CASE("a client of HTTP/1.1 that still sends reads its answer to the end") {
  Pair pair(Echo);
  const int fd = RawConnect(pair.address);
  const std::string part = "POST / HTTP/1.1\r\n\r\n" + std::string(150'000, 'x');
  REQUIRE(write(fd, part.data(), part.size()) == static_cast<ssize_t>(part.size()));
  shutdown(fd, SHUT_WR);
  bool is_clean = false;
  CHECK(ReadAll(fd, &is_clean).rfind("HTTP/1.1 505 ", 0) == 0);
  CHECK(is_clean);
  close(fd);
}

TEST_CASE("a peer that uses a stream which it has ended, reset or passed over hears so") {
  Pair pair(AnswerAtOnce);
  const auto head = [](std::uint32_t id) {
    return FrameOf(FrameType::kHeaders, kEndStream | kEndHeaders, id, RequestHead());
  };
  const auto code_of = [](RawClient& client, FrameType type, std::uint32_t stream) {
    const auto frame = client.ReadUntil(type, stream);
    REQUIRE(frame);
    return static_cast<ErrorCode>(frame->payload[type == FrameType::kGoaway ? 7 : 3]);
  };
  RawClient ended(pair.address);
  ended.Write(head(1));
  ended.ReadStream(1);
  ended.Write(head(1));
  CHECK(code_of(ended, FrameType::kGoaway, 0) == ErrorCode::kStreamClosed);
  CHECK(ended.HasEnded());

  RawClient passed(pair.address);
  passed.Write(head(5) + head(3));
  CHECK(code_of(passed, FrameType::kGoaway, 0) == ErrorCode::kProtocolError);
  CHECK(passed.HasEnded());

  RawClient reset(pair.address);
  reset.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 1, RequestHead()) +
              FrameOf(FrameType::kReset, 0, 1, BigEndian(8)) + head(1));
  CHECK(code_of(reset, FrameType::kReset, 1) == ErrorCode::kStreamClosed);
  CHECK(reset.Ping());

  // DATA there, also in pieces, ends nothing but itself.
  RawClient data(pair.address);
  const std::string more = FrameOf(FrameType::kData, 0, 1, "more");
  data.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 1, RequestHead()) +
             FrameOf(FrameType::kReset, 0, 1, BigEndian(8)) + more);
  CHECK(code_of(data, FrameType::kReset, 1) == ErrorCode::kStreamClosed);
  data.Write(head(5));
  data.ReadStream(5);
  for (const char byte : FrameOf(FrameType::kData, 0, 5, "more")) data.Write({&byte, 1});
  CHECK(code_of(data, FrameType::kReset, 5) == ErrorCode::kStreamClosed);
  data.Write(FrameOf(FrameType::kData, 0, 3, "more"));
  CHECK(code_of(data, FrameType::kReset, 3) == ErrorCode::kStreamClosed);
  CHECK(data.Ping());
}

TEST_CASE("a client whose upload goes on may send long frames") {
  Pair pair([](Recorder& recorder) {
    Echo(recorder);
    recorder.on_headers = [&recorder, answer = recorder.on_headers] {
      answer();
      recorder.stream->RaiseWindow(256 * 1024);
    };
  });
  RawClient client(pair.address);
  client.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 1, RequestHead()) + FrameOf(FrameType::kData, 0, 1, "first"));
  const std::string longer = BigEndian(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 2) + BigEndian(256 * 1024);
  std::size_t at_head = 0;
  while (const auto frame = client.Read()) {
    if (frame->type != FrameType::kSettings || frame->flags == kAck) continue;
    client.Write(FrameOf(FrameType::kSettings, kAck, 0));
    if (frame->payload == longer) break;
    ++at_head;
  }
  CHECK(at_head == 1);
  const std::string body(60'000, 'x');
  client.Write(FrameOf(FrameType::kData, kEndStream, 1, body));
  CHECK(client.ReadStream(1).find(body) != std::string::npos);
  // But not a GOAWAY, whose text would be kept until all of it has come.
  client.Write(FrameOf(FrameType::kGoaway, 0, 0, std::string(100'000, '\0')).substr(0, 9));
  CHECK(client.HasEnded());
}

TEST_CASE("what comes for a stream that this side has reset is passed over") {
  Pair pair([](Recorder& recorder) {
    Recorder* self = &recorder;
    recorder.on_headers = [self] { self->stream->Reset(ErrorCode::kCancel); };
  });
  RawClient client(pair.address);
  client.Write(FrameOf(FrameType::kHeaders, kEndHeaders, 1, RequestHead()));
  CHECK(client.ReadStream(1) == "reset 8");
  client.Write(FrameOf(FrameType::kData, 0, 1, "late") +
               FrameOf(FrameType::kHeaders, kEndStream | kEndHeaders, 1, Literal("x", "y")));
  CHECK(client.Ping());
}

TEST_CASE("a head that is too large to be sent is not sent, and not for want of a connection") {
  Pair pair(AnswerAtOnce);
  REQUIRE(pair.Connect().ok());
  Recorder large, fine;
  const std::string value(50'000, 'v');
  pair.Run([&] {
    HeaderBlock head{{":method", "POST"}, {":scheme", "http"}, {":path", "/test"}, {":authority", "test"}};
    for (int i = 0; i < 30; ++i) head.Add("x-large", value);
    large.stream = pair.client->Open(head, true, large);
  });
  REQUIRE(large.WaitFor([&] { return large.is_closed; }));
  CHECK(large.close.reason == CloseReason::kNotSent);
  CHECK(!large.close.is_sent);
  pair.Open(fine, true);
  REQUIRE(fine.WaitFor([&] { return fine.is_closed; }));
  CHECK(fine.close.reason == CloseReason::kEnded);
}

TEST_CASE("a head or trailers of a response that are too large to be sent reset their stream alone") {
  std::vector<std::string> incidents;  // on the worker
  ConnectionOptions options;
  options.on_incident = [&](const char* reason) { incidents.emplace_back(reason); };
  const auto enlarge = [](HeaderBlock block) {
    for (int i = 0; i < 30; ++i) block.Add("x-large", std::string(50'000, 'v'));
    return block;
  };
  const auto serve = [&](Recorder& recorder) {
    Recorder* self = &recorder;
    recorder.on_headers = [&enlarge, self] {
      const std::string path(self->headers.Get(":path"));
      if (path == "/head") return self->stream->SendHeaders(enlarge(kHead), false);
      self->stream->SendHeaders(kHead, false);
      self->stream->SendData(Piece::Copy("body"));
      const HeaderBlock trailers{{"grpc-status", "0"}};
      self->stream->SendEnd(path == "/trailers" ? enlarge(trailers) : trailers);
    };
  };
  Pair pair(serve, options);
  REQUIRE(pair.Connect().ok());
  for (const char* const path : {"/head", "/trailers"}) {
    CAPTURE(path);
    Recorder call;
    pair.Open(call, true, path);
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    CHECK(call.close.reason == CloseReason::kPeerReset);
    CHECK(call.close.code == ErrorCode::kInternalError);
    CHECK(call.has_headers == (std::string(path) == "/trailers"));
    CHECK(!call.has_ended);
    pair.Run([&] {
      Recorder& served = *pair.served.back();
      CHECK(served.is_closed);
      CHECK(served.close.reason == CloseReason::kNotSent);
    });
  }
  Recorder fine;
  pair.Open(fine, true);
  REQUIRE(fine.WaitFor([&] { return fine.is_closed; }));
  CHECK(fine.close.reason == CloseReason::kEnded);
  pair.Run([&] { CHECK(incidents == std::vector<std::string>(2, "frame_not_sent")); });
}

TEST_CASE("an answer that had come before the server reset the connection is heard, though a write fails first") {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(listen(listener, 1) == 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size);

  Recorder upload;
  int failed_before = -1;  // writes, when the answer is heard; on the worker
  upload.on_headers = [&] { failed_before = failed_writes; };
  Pair pair([](Recorder&) {});
  pair.address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  // The largest windows, and nobody who reads.
  auto accepted = std::async(std::launch::async, [&] {
    const int fd = accept(listener, nullptr, nullptr);
    const std::string largest = BigEndian(0x7FFFFFFF - 65535);
    const std::string hello = FrameOf(FrameType::kSettings, 0, 0, BigEndian(4, 2) + BigEndian(0x7FFFFFFF)) +
                              FrameOf(FrameType::kWindowUpdate, 0, 0, largest);
    return send(fd, hello.data(), hello.size(), MSG_NOSIGNAL) > 0 ? fd : -1;
  });
  REQUIRE(pair.Connect().ok());
  const int server = accepted.get();
  REQUIRE(server >= 0);
  pair.Open(upload, false);
  pair.Run([&] {
    for (int i = 0; i < 32; ++i) upload.stream->SendData(Piece::Copy(std::string(1 << 20, 'x')));
  });
  REQUIRE(upload.WaitFor([&] { return upload.sent > 0; }));

  // On the worker: when its loop goes on, the socket is readable and broken at once.
  failed_writes = 0;
  pair.Run([&] {
    const std::string answer =
        FrameOf(FrameType::kHeaders, kEndHeaders | kEndStream, 1, "\x88" + Literal("grpc-status", "8"));
    CHECK(send(server, answer.data(), answer.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(answer.size()));
    const linger now{1, 0};
    setsockopt(server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(server);
  });
  REQUIRE(upload.WaitFor([&] { return upload.is_closed; }));
  CHECK(upload.has_ended);
  CHECK(upload.headers.Get("grpc-status") == "8");
  pair.Run([&] { CHECK(failed_before == 1); });
  CHECK(upload.close.reason == CloseReason::kConnectionLost);
  close(listener);
}

TEST_CASE("connecting to nobody says why") {
  Pair pair(Echo);
  pair.address = "127.0.0.1:1";
  const auto status = pair.Connect();
  CHECK(status.code() == sgw::StatusCode::kUnavailable);
  CHECK(status.message() == "cannot connect to 127.0.0.1:1: Connection refused");
}

TEST_CASE("ten thousand idle connections hold no slab") {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  // Both ends are in this process.
  const std::size_t count = std::min<std::size_t>(10'000, (files.rlim_cur - 200) / 2);
  if (count < 10'000) MESSAGE("only ", count, ": RLIMIT_NOFILE is ", files.rlim_cur);
  Pair pair(Echo, {}, {}, "unix:/tmp/sgw_idle_test_" + std::to_string(getpid()));
  std::vector<int> idle;
  for (std::size_t i = 0; i < count; ++i) {
    idle.push_back(RawConnect(pair.address));
    const std::string hello = std::string(kPreface) + FrameOf(FrameType::kSettings, 0, 0);
    REQUIRE(write(idle.back(), hello.data(), hello.size()) == static_cast<ssize_t>(hello.size()));
  }
  for (const int fd : idle) {
    char byte = 0;
    REQUIRE(read(fd, &byte, 1) == 1);  // SETTINGS: the connection lives
  }
  pair.Run([&] {
    CHECK(pair.servers.size() == count);
    CHECK(SlabPool::Mine().slabs() <= 1);
  });
  for (const int fd : idle) close(fd);
}
