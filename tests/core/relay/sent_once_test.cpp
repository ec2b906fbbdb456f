#include <doctest/doctest.h>

#include "tests/core/relay/rig.h"
#include "tests/core/upstream/raw_driver.h"

namespace sgw::core::testing {
namespace {

constexpr std::uint32_t kRefusedStream = 7;
constexpr std::uint32_t kInternalError = 2;

// Whatever happens to a call of which the driver got a byte, it is sent no second time.
TEST_CASE("a call of which anything was sent is never sent again") {
  struct Case {
    std::string what;
    std::uint8_t after;  // the frame that sets it off
    std::function<void(RawLink&, std::int32_t)> fault;
    const char* code;
  };
  const Case cases[] = {
      {"REFUSED_STREAM after HEADERS", RawFrame::kHeaders,
       [](RawLink& link, std::int32_t stream) { link.Reset(stream, kRefusedStream); }, "14"},
      {"RST_STREAM after HEADERS", RawFrame::kHeaders,
       [](RawLink& link, std::int32_t stream) { link.Reset(stream, kInternalError); }, "13"},
      {"GOAWAY with a last stream below", RawFrame::kHeaders, [](RawLink& link, std::int32_t) { link.Goaway(0); },
       "14"},
      {"a reset connection between HEADERS and DATA", RawFrame::kHeaders,
       [](RawLink& link, std::int32_t) { link.Abort(); }, "14"},
      {"a closed connection between HEADERS and DATA", RawFrame::kHeaders,
       [](RawLink& link, std::int32_t) { link.Close(); }, "14"},
      {"REFUSED_STREAM after DATA", RawFrame::kData,
       [](RawLink& link, std::int32_t stream) { link.Reset(stream, kRefusedStream); }, "14"},
      {"GOAWAY with a last stream below, after DATA", RawFrame::kData,
       [](RawLink& link, std::int32_t) { link.Goaway(0); }, "14"},
      {"a reset connection after DATA", RawFrame::kData, [](RawLink& link, std::int32_t) { link.Abort(); }, "14"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.what);
    RawDriver::Script script;
    // A second sending would be answered, and seen.
    script.on_frame = [&one](RawLink& link, const RawFrame& frame) {
      if (frame.stream != 0 && frame.type == one.after) one.fault(link, frame.stream);
    };
    RawDriver driver(script);
    Recorder call;
    Rig rig([](Recorder&) {});
    rig.plan.endpoints = {{.address = driver.address}, {.address = driver.address, .incarnation = "other"}};
    rig.Open(call);
    if (one.after == RawFrame::kData) rig.Send(call, "12345678", true);
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    CHECK(call.headers.Get("grpc-status") == one.code);
    CHECK(driver.Requests() == 1);
    CHECK(rig.WaitForEnded(1).size() == 1);
  }
}

TEST_CASE("a call that waits behind another one's bytes goes elsewhere when its connection breaks off") {
  std::promise<void> stop, abort;
  const auto aborted = abort.get_future().share();
  RawDriver::Script script;
  script.is_unix = true;  // its buffers are small and never grow
  script.on_open = [](RawLink& link) {
    link.Setting(4, 0x7FFFFFFF);  // SETTINGS_INITIAL_WINDOW_SIZE
    link.Window(0, 0x7FFF0000 - 65'535);
  };
  script.on_frame = [&](RawLink& link, const RawFrame& frame) {
    if (frame.type != RawFrame::kHeaders) return;
    if (link.index > 0) return link.Answer(frame.stream);
    stop.set_value();  // reads no more
    aborted.wait();
    link.Close();
  };
  Recorder uploads, waits;
  RawDriver driver(script);
  Rig rig([](Recorder&) {});
  rig.plan.endpoints = {{.address = driver.address}};
  rig.Open(uploads);
  rig.Send(uploads, std::string(1'000'000, 'x'));
  stop.get_future().wait();
  // Until the kernel takes no more.
  std::uint64_t taken = 0;
  for (int quiet = 0; quiet < 2'000; ++quiet) {
    const std::uint64_t before = taken;
    RunOn(rig.gateway(), [&] {
      if (rig.has_calls()) taken = rig.call().bytes_from_client();
    });
    if (taken == 0 || taken != before) quiet = 0;
  }
  // A turn of the loop later the kernel has all that it can take.
  for (int i = 0; i < 3; ++i) RunOn(rig.gateway(), [] {});
  rig.Open(waits);
  rig.Send(waits, "hello", true);
  for (int streams = 0; streams < 2;) {
    for (const EndpointView& view : rig.table.Snapshot()) streams = std::max(streams, view.streams);
    RunOn(rig.gateway(), [] {});
  }
  for (int i = 0; i < 3; ++i) RunOn(rig.gateway(), [] {});
  abort.set_value();

  REQUIRE(waits.WaitFor([&] { return waits.is_closed; }));
  CHECK(waits.headers.Get("grpc-status") == "0");
  REQUIRE(uploads.WaitFor([&] { return uploads.is_closed; }));
  CHECK(uploads.headers.Get("grpc-status") == "14");
  CHECK(driver.Requests() == 2);
}

TEST_CASE("after a GOAWAY new calls go to a new connection, and the running one gets its answer") {
  RawDriver::Script script;
  script.on_frame = [](RawLink& link, const RawFrame& frame) {
    if (frame.type != RawFrame::kHeaders) return;
    if (link.index > 0) return link.Answer(frame.stream);
    if (frame.stream == 1) link.Goaway(1);
  };
  Recorder running, next;
  RawDriver driver(script);
  Rig rig([](Recorder&) {});
  rig.plan.endpoints = {{.address = driver.address}};
  rig.Open(running);
  REQUIRE(driver.WaitFor([&] { return driver.Count(RawFrame::kHeaders) == 1; }));
  rig.Open(next, true);
  REQUIRE(next.WaitFor([&] { return next.is_closed; }));
  const bool went_on_the_first = next.headers.Get("grpc-status") == "14";
  if (!went_on_the_first) CHECK(next.headers.Get("grpc-status") == "0");
  rig.Send(running, "bytes", true);
  REQUIRE(driver.WaitFor([&] { return driver.Count(RawFrame::kData) >= 1; }));
  driver.links[0]->Answer(1);
  REQUIRE(running.WaitFor([&] { return running.is_closed; }));
  CHECK(running.headers.Get("grpc-status") == "0");
}

}  // namespace
}  // namespace sgw::core::testing
