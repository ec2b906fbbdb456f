#include "core/connect/status_details.h"
#include "tests/core/relay/gateway_rig.h"

namespace sgw::core::testing {
namespace {

void AnswerNothing(Recorder& stream) {
  stream.on_end = [&stream] {
    stream.stream->SendHeaders({{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "0"}}, true);
  };
}

bool NamesItsCall(const std::string& text) {
  const auto at = text.rfind(" [call ");
  if (at == std::string::npos || text.size() < at + 14) return false;
  const std::string id = text.substr(at + 7, 6);
  return text[at + 13] == ']' && id.find_first_not_of("0123456789abcdef") == std::string::npos;
}

TEST_CASE("each method has its own answer for a session that nobody knows") {
  struct {
    const char* method;
    const char* code;
    std::size_t served;
    int reply_field;
  } const cases[] = {
      {"ExecutePlan", "0", 1, 0},        {"AnalyzePlan", "0", 1, 0},    {"Config", "0", 1, 0},
      {"AddArtifacts", "0", 1, 0},       {"ArtifactStatus", "0", 1, 0}, {"Interrupt", "0", 1, 0},
      {"ReleaseExecute", "0", 0, 1},     {"ReleaseSession", "0", 0, 1}, {"FetchErrorDetails", "0", 0, 4},
      {"ReattachExecute", "13", 0, 0},   {"CloneSession", "13", 0, 0},  {"GetStatus", "13", 0, 0},
      {"ListSqlExecutions", "13", 0, 0},
  };
  for (const auto& one : cases) {
    CAPTURE(one.method);
    Recorder call;
    GatewayRig rig(AnswerNothing);
    rig.Call(call, one.method, "alice", Request("alice"));
    CHECK(rig.CodeOf(call) == one.code);
    CHECK(rig.driver.served.size() == one.served);
    if (one.reply_field > 0) CHECK(call.body == EmptyReply(static_cast<std::uint32_t>(one.reply_field), kSession));
    if (one.code == std::string("13")) {
      CHECK(rig.MessageOf(call).find("INVALID_HANDLE.SESSION_CHANGED") != std::string::npos);
      CHECK(rig.MessageOf(call).find("NOT_FOUND") == std::string::npos);  // clients would run their plan again
    }
  }
}

TEST_CASE("every refusal names its call") {
  Recorder none, denied, malformed, unknown, compressed, unreachable, health, drained;
  GatewayRig::Options options;
  GatewayRig rig([](Recorder&) {}, options);
  rig.Call(none, "Config", "", Request("a"));
  rig.Call(denied, "Config", "nobody", Request("a"));
  rig.Call(malformed, "Config", "alice", Framed("junk"));
  rig.Call(unknown, "GetStatus", "alice", Request("a"));
  rig.Call(compressed, "Config", "alice", '\x01' + Request("a").substr(1));
  rig.Call(health, "/grpc.health.v1.Health/No", "", Framed(""));
  for (Recorder* call : {&none, &denied, &malformed, &unknown, &compressed, &health}) {
    CHECK(rig.CodeOf(*call) != "0");
    CAPTURE(rig.MessageOf(*call));
    CHECK(NamesItsCall(rig.MessageOf(*call)));
    CHECK(call->headers.Find("grpc-status-details-bin"));
  }
  rig.Call(drained, "Config", "alice", Request("a"));
  while (rig.relay->live_calls() == 0) rig.OnClient([] {});
  rig.relay->GiveUp();
  CHECK(rig.CodeOf(drained) == "14");
  CHECK(NamesItsCall(rig.MessageOf(drained)));
}

TEST_CASE("a refusal in terms of HTTP names its call, too, and HEAD gets no body") {
  Recorder get, head;
  GatewayRig rig(AnswerNothing);
  const auto ask = [&](Recorder& call, const char* method) {
    rig.OnClient([&] {
      call.stream = rig.client->Open({{":method", method}, {":scheme", "http"}, {":path", "/"}, {":authority", "gw"}},
                                     true, call);
    });
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    CHECK(call.headers.Get(":status") == "405");
    CHECK(call.close.reason == CloseReason::kEnded);
  };
  ask(get, "GET");
  CHECK(NamesItsCall(get.body));
  CHECK(get.headers.Get("content-length") == std::to_string(get.body.size()));
  ask(head, "HEAD");
  CHECK(head.body.empty());
  // What the gateway says itself is counted as what drivers say.
  while (rig.relay->live_calls() > 0) rig.OnClient([] {});
  double to_client = 0;
  for (const FamilySnapshot& family : rig.metrics.Snapshot()) {
    if (family.name != "spark_gateway_message_bytes_total") continue;
    for (const auto& one : family.series) {
      if (one.label_values == std::vector<std::string>{"to_client"}) to_client += one.value;
    }
  }
  CHECK(to_client == static_cast<double>(get.body.size()));
}

TEST_CASE("a request that is not gRPC is answered with its first KiB") {
  Recorder post;
  GatewayRig rig(AnswerNothing);
  rig.OnClient([&] {
    post.stream =
        rig.client->Open({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "gw"}}, false, post);
    post.stream->SendData(Piece::Copy(std::string(1024, 'x')));
  });
  REQUIRE(post.WaitFor([&] { return post.is_closed; }));
  CHECK(post.headers.Get(":status") == "415");
}

TEST_CASE("headers that are illegal, too many or too large end their stream alone") {
  struct {
    std::string what;
    HeaderField field;
    int times;
  } const cases[] = {
      {"a space in a name", {"x y", "1"}, 1},
      {"an empty name", {"", "1"}, 1},
      {"a line break in a value", {"x-a", "a\r\nb: c"}, 1},
      {"of a connection", {"connection", "close"}, 1},
      {"another te", {"te", "gzip"}, 1},
      {"too many", {"x-a", "1"}, 250},
      {"too large", {"x-a", "0123456789012345678901234567890123456789"}, 190},
      {"a pseudo-header twice", {":path", "/a.B/D"}, 1},
      {"an unknown pseudo-header", {":evil", "1"}, 1},
  };
  for (const auto& one : cases) {
    CAPTURE(one.what);
    Recorder neighbour, bad, after;
    GatewayRig::Options options;
    options.has_audit = true;
    GatewayRig rig(AnswerNothing, options);
    rig.Call(neighbour, "Config", "alice", Request("alice"), false);
    while (rig.relay->live_calls() == 0) rig.OnClient([] {});
    std::string large(500, 'x');
    const HeaderField field = one.what == "too large" ? HeaderField{one.field.name, large} : one.field;
    rig.Call(bad, "Config", "alice", Request("alice"), true, std::vector<HeaderField>(one.times, field));
    REQUIRE(bad.WaitFor([&] { return bad.is_closed; }));
    CHECK(bad.close.reason != CloseReason::kConnectionLost);
    CHECK(bad.headers.Get("grpc-status") != "0");
    if (one.what == "too many" || one.what == "too large") {
      CHECK(bad.headers.Get("grpc-status") == "8");
      CHECK(NamesItsCall(rig.MessageOf(bad)));
      CHECK(bad.headers.Find("grpc-status-details-bin"));
      const auto lines = rig.Audit(2);  // the neighbour's session is the other one
      CHECK(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
              return line.find("call_refused /spark.connect.SparkConnectService/Config ") == 0 &&
                     line.find(" refused_by=http code=RESOURCE_EXHAUSTED") != std::string::npos;
            }) == 1);
    }
    rig.Call(after, "Config", "alice", Request("alice"));
    CHECK(rig.CodeOf(after) == "0");
    rig.OnClient([&] { neighbour.stream->SendEnd(); });
    CHECK(rig.CodeOf(neighbour) == "0");
    CHECK(rig.driver.served.size() == 2);
  }
}

TEST_CASE("a request that ends with its head has no message, and is refused") {
  Recorder call;
  GatewayRig rig(AnswerNothing);
  rig.OnClient([&] {
    call.stream = rig.client->Open({{":method", "POST"},
                                    {":scheme", "http"},
                                    {":path", "/spark.connect.SparkConnectService/Config"},
                                    {":authority", "gw"},
                                    {"te", "trailers"},
                                    {"content-type", "application/grpc"},
                                    {"authorization", "Bearer alice"}},
                                   true, call);
  });
  CHECK(rig.CodeOf(call) == "3");
  CHECK(rig.driver.served.empty());
}

TEST_CASE("a trace goes through to the driver and into the records, and a broken one is begun anew") {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  Recorder kept, replaced;
  GatewayRig::Options options;
  options.has_audit = true;
  GatewayRig rig(AnswerNothing, options);
  rig.Call(kept, "Config", "alice", Request("alice"), true, {{"traceparent", trace}, {"tracestate", "a=1"}});
  CHECK(rig.CodeOf(kept) == "0");
  CHECK(rig.driver.served[0]->headers.Get("traceparent") == trace);
  CHECK(rig.driver.served[0]->headers.Get("tracestate") == "a=1");
  rig.Call(replaced, "Config", "alice", Request("alice"), true, {{"traceparent", "junk"}, {"tracestate", "a=1"}});
  CHECK(rig.CodeOf(replaced) == "0");
  CHECK(rig.driver.served[1]->headers.Get("traceparent").size() == trace.size());
  CHECK(!rig.driver.served[1]->headers.Find("tracestate"));
  int found = 0;
  for (const std::string& line : rig.Audit(3, ".ids")) found += line.find(trace) != std::string::npos;
  CHECK(found >= 1);
}

TEST_CASE("a caller who leaves while somebody decides is gone, and its late answer harms nobody") {
  Recorder call, next;
  GatewayRig rig(AnswerNothing);
  rig.Call(call, "Config", "slow", Request("slow"));
  while (rig.relay->live_calls() == 0) rig.OnClient([] {});
  rig.OnClient([&] { call.stream->Reset(ErrorCode::kCancel); });
  while (rig.relay->live_calls() > 0) rig.OnClient([] {});
  rig.Call(next, "Config", "slow", Request("slow"));
  CHECK(rig.CodeOf(next) == "0");
  CHECK(rig.driver.served.size() == 1);
}

}  // namespace
}  // namespace sgw::core::testing
