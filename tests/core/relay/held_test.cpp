// What slow readers cost the gateway, and whom.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>

#include "tests/core/relay/rig.h"

namespace sgw::core::testing {
namespace {

constexpr std::size_t kKiB = 1024;
// What a client of ours takes of a response that it does not read, and then what a driver of ours can send ahead.
constexpr std::size_t kWindow = 256 * kKiB;

// Answers with as many KiB as the path says, and ends.
void AnswerKiB(Recorder& stream) {
  stream.on_headers = [&stream] {
    const std::size_t size = kKiB * std::stoul(std::string(stream.headers.Get("x-kib", "0")));
    stream.stream->SendHeaders({{":status", "200"}, {"content-type", "application/grpc"}}, false);
    stream.stream->SendData(Piece::Copy(std::string(size, 'x')));
    stream.stream->SendEnd({{"grpc-status", "0"}});
  };
}

// Calls whose client does not read beyond its first window.
struct Unread {
  Unread(Rig& gateway, std::size_t count, const std::string& kib) : rig(gateway), calls(count) {
    for (Recorder& call : calls) {
      call.credits = false;
      call.keeps_body = false;
      rig.Open(call, true, {{"x-kib", kib}});
    }
  }
  ~Unread() {
    rig.OnClient([&] {
      for (Recorder& call : calls) call.stream->Reset(ErrorCode::kCancel);
    });
    for (Recorder& call : calls) call.WaitFor([&] { return call.is_closed; });
  }
  // Ended for their driver, and full for their client.
  bool HaveStopped() {
    for (Recorder& call : calls) {
      if (!call.WaitFor([&] { return call.received == kWindow || call.is_closed; })) return false;
    }
    bool have_ended = false;
    for (int i = 0; !have_ended && i < 100'000; ++i) {
      rig.driver.Run([&] {
        have_ended = true;
        for (const auto& one : rig.driver.served) have_ended &= one->is_closed;
      });
    }
    RunOn(rig.gateway(), [] {});
    return have_ended;
  }
  // Waits for so many to be open, or fewer.
  bool WaitForOpen(std::size_t count) {
    for (int i = 0; Open() > count && i < 100'000; ++i) RunOn(rig.gateway(), [] {});
    return Open() <= count;
  }
  std::size_t Open() {
    std::size_t open = 0;
    rig.OnClient([&] {
      for (Recorder& call : calls) open += !call.is_closed;
    });
    return open;
  }

  Rig& rig;
  std::deque<Recorder> calls;
};

}  // namespace

TEST_CASE("responses that ended and wait for their reader are held within both bounds") {
  constexpr std::size_t kLimit = 4096 * kKiB;
  for (const bool is_process : {true, false}) {
    CAPTURE(is_process);
    BufferBudget budget;
    UpstreamOptions upstream;
    if (is_process) {
      budget.limit = kLimit;
      upstream.connection.budget = &budget;
    } else {
      upstream.connection.max_held_bytes = kLimit;
    }
    Rig rig(AnswerKiB, upstream);
    Unread unread(rig, 100, "456");  // 200 KiB more than their client takes
    REQUIRE(unread.HaveStopped());
    CHECK(unread.WaitForOpen(kLimit / (200 * kKiB)));
    CHECK(unread.Open() >= kLimit / (400 * kKiB));
    if (is_process) CHECK(budget.held <= kLimit);
    std::size_t slabs = 0;
    RunOn(rig.gateway(), [&] { slabs = SlabPool::Mine().slabs(); });
    CHECK(slabs * SlabPool::kSlabBytes <= 2 * kLimit);

    // Those that are left can be read to their end, and then nothing is held.
    rig.OnClient([&] {
      for (Recorder& call : unread.calls) {
        call.credits = true;
        call.stream->Credit(call.stream->held_bytes());
      }
    });
    for (Recorder& call : unread.calls) REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    REQUIRE(rig.WaitForEnded(100).size() == 100);
    RunOn(rig.gateway(), [] {});
    if (is_process) CHECK(budget.held == 0);
  }
}

TEST_CASE("a stream of the worker that holds the most goes, wherever the bound was reached") {
  BufferBudget budget;
  // The workers may still be counting what they have just received or dropped.
  const auto holds = [&](Rig& one, Rig& other, std::size_t bytes) {
    for (int i = 0; budget.held != bytes && i < 100'000; ++i) {
      RunOn(one.gateway(), [] {});
      RunOn(other.gateway(), [] {});
    }
    return budget.held == bytes;
  };
  UpstreamOptions upstream;
  upstream.connection.budget = &budget;
  Rig hogs(AnswerKiB, upstream);
  Rig others(AnswerKiB, upstream);
  Unread hog(hogs, 3, "456");
  REQUIRE(hog.HaveStopped());
  CHECK(holds(hogs, others, 3 * 200 * kKiB));
  budget.limit = 620 * kKiB;
  Unread innocent(others, 1, "296");  // 40 KiB are one too many
  REQUIRE(innocent.HaveStopped());
  const auto outcome = hogs.WaitForEnded(1)[0].outcome;
  CHECK(outcome.code == StatusCode::kUnavailable);
  CHECK(outcome.refused_by == "limit");
  CHECK(innocent.Open() == 1);
  CHECK(hog.WaitForOpen(2));
  CHECK(hog.Open() == 2);
  CHECK(holds(hogs, others, 440 * kKiB));
}

TEST_CASE("a hundred unread streams of one client cost another client of the same worker and driver nothing") {
  BufferBudget budget;
  UpstreamOptions upstream;
  upstream.connection.budget = &budget;
  Rig rig(AnswerKiB, upstream);
  Unread unread(rig, 100, "1024");
  for (Recorder& call : unread.calls) REQUIRE(call.WaitFor([&] { return call.received == kWindow; }));
  const auto second = rig.Connect();
  for (int i = 0; i < 100; ++i) {
    Recorder small;
    rig.OpenOn(*second, small, true, {{"x-kib", "1"}});
    REQUIRE(small.WaitFor([&] { return small.is_closed; }));
    CHECK(small.trailers.Get("grpc-status") == "0");
  }
  Recorder big;
  big.keeps_body = false;
  rig.OpenOn(*second, big, true, {{"x-kib", "65536"}});
  REQUIRE(big.WaitFor([&] { return big.is_closed; }));
  CHECK(big.received == 65536 * kKiB);
  CHECK(unread.Open() == 100);
  CHECK(budget.held <= 100 * kWindow);
  rig.OnClient([&] { second->Close(); });
  rig.OnClient([] {});
}

TEST_CASE("a request that its driver does not read is held within the bound, and its caller hears why") {
  BufferBudget budget;
  budget.limit = 1024 * kKiB;
  ConnectionOptions downstream;
  downstream.budget = &budget;
  Rig rig(
      [](Recorder& stream) {
        stream.credits = false;
        stream.keeps_body = false;
      },
      {}, downstream);
  std::deque<Recorder> calls(20);
  for (Recorder& call : calls) {
    rig.Open(call);
    rig.Send(call, std::string(600 * kKiB, 'x'));
  }
  const auto ended = rig.WaitForEnded(8);
  CHECK(ended[0].outcome.code == StatusCode::kUnavailable);
  CHECK(ended[0].outcome.refused_by == "limit");
  RunOn(rig.gateway(), [] {});
  CHECK(budget.held <= budget.limit);
  rig.OnClient([&] {
    for (Recorder& call : calls) {
      if (!call.is_closed) call.stream->Reset(ErrorCode::kCancel);
    }
  });
  rig.WaitForEnded(20);
  RunOn(rig.gateway(), [] {});
  CHECK(budget.held == 0);
  for (Recorder& call : calls) REQUIRE(call.WaitFor([&] { return call.is_closed; }));
}

TEST_CASE("requests that wait for a decision or for a connection hold their bytes and no slab") {
  const int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // takes connections, and says nothing
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  REQUIRE(bind(deaf, reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(listen(deaf, 16) == 0);
  REQUIRE(getsockname(deaf, reinterpret_cast<sockaddr*>(&name), &size) == 0);
  for (const bool is_decided : {false, true}) {
    CAPTURE(is_decided);
    Rig rig(AnswerKiB);
    rig.plan.connects_at_once = is_decided;
    rig.plan.endpoints[0].address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    std::deque<Recorder> calls(100);
    for (Recorder& call : calls) {
      rig.Open(call);
      rig.Send(call, std::string(16 * kKiB, 'x'));
    }
    std::size_t received = 0;
    std::size_t slabs = 0;
    while (received < 1600 * kKiB) {
      RunOn(rig.gateway(), [&] {
        received = rig.received();
        slabs = SlabPool::Mine().slabs();
      });
    }
    CHECK(slabs <= 1);
    rig.OnClient([&] {
      for (Recorder& call : calls) call.stream->Reset(ErrorCode::kCancel);
    });
    for (Recorder& call : calls) REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    rig.WaitForEnded(100);
  }
  close(deaf);
}

}  // namespace sgw::core::testing
