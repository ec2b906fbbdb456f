#include "core/relay/call.h"

#include "core/connect/status_details.h"
#include "tests/core/relay/gateway_rig.h"

namespace sgw::core::testing {
namespace {

void EndWith(Recorder& stream, const std::string& body) {
  stream.on_end = [&stream, body] {
    stream.stream->SendHeaders(kHead, false);
    stream.stream->SendData(Piece::Copy(body));
    stream.stream->SendEnd({{"grpc-status", "0"}});
  };
}
// Echoes the request.
void Echo(Recorder& stream) {
  stream.on_end = [&stream] {
    stream.stream->SendHeaders(kHead, false);
    stream.stream->SendData(Piece::Copy(stream.body));
    stream.stream->SendEnd({{"grpc-status", "0"}});
  };
}

// As Spark does when it wants a token.
void Refuse(Recorder& stream) {
  stream.stream->SendHeaders(
      {{":status", "200"}, {"grpc-status", "16"}, {"grpc-message", "No authentication token provided"}}, true);
}

TEST_CASE("the driver sees who calls, whatever the client claims") {
  GatewayRig rig(Echo);
  Recorder call;
  rig.Call(call, "Config", "alice", Request("victim"), true, {{"authentication", "Bearer alice"}, {"x-other", "1"}});

  CHECK(rig.CodeOf(call) == "0");
  const std::string stamped =
      Field(1, kSession) + Field(2, Field(1, "victim")) + MakeStamp(kSession, "alice", "Name of alice");
  CHECK(rig.driver.served[0]->body == Framed(stamped));
  const HeaderBlock& seen = rig.driver.served[0]->headers;
  CHECK(!seen.Find("authorization"));
  CHECK(!seen.Find("authentication"));
  CHECK(seen.Get("x-other") == "1");
  CHECK(seen.Get("traceparent").size() == 55);
}

TEST_CASE("a call with two credentials is refused before a plugin reads one of them") {
  GatewayRig rig(Echo);
  Recorder call;
  rig.Call(call, "Config", "alice", Request("alice"), true, {{"authentication", "Bearer bob"}});
  CHECK(rig.CodeOf(call) == "16");
  CHECK(rig.driver.served.empty());
}

TEST_CASE("each connection is asked once who it is, and each call is its own caller's") {
  GatewayRig rig(Echo);
  const auto remembered = [&] {
    for (const FamilySnapshot& family : rig.metrics.Snapshot()) {
      if (family.name == "spark_gateway_remembered_identities_total") return family.series.front().value;
    }
    return -1.0;
  };
  const auto caller = [&](const std::string& token) {
    Recorder call;
    rig.Call(call, "Config", token, Request("whoever"));
    CHECK(rig.CodeOf(call) == "0");
    return call.body.substr(call.body.rfind("Name of ") + 8);
  };
  CHECK(caller("alice") == "alice");
  CHECK(remembered() == 0);
  CHECK(caller("alice") == "alice");
  CHECK(remembered() == 1);
  const auto first = std::exchange(rig.client, rig.Connect());
  CHECK(caller("alice") == "alice");
  CHECK(remembered() == 1);
  CHECK(caller("slow") == "slow");
  CHECK(caller("slow") == "slow");
  CHECK(caller("alice") == "alice");
  CHECK(remembered() == 2);
  rig.OnClient([&] { first->Close(); });
}

TEST_CASE("a driver with a token gets it, and the client's stays here") {
  GatewayRig::Options options;
  options.driver_token = "drivers-own";
  GatewayRig rig(Echo, options);
  Recorder call;
  rig.Call(call, "Config", "slow", Request("slow"));
  CHECK(rig.CodeOf(call) == "0");
  CHECK(rig.driver.served[0]->headers.Get("authorization") == "Bearer drivers-own");
}

TEST_CASE("a driver that does not take the gateway's token is not said to refuse the caller's") {
  GatewayRig::Options options;
  options.driver_token = "drivers-own";
  GatewayRig rig(Refuse, options);
  for (const char* method : {"Config", "/acme.Other/Say"}) {
    CAPTURE(method);
    Recorder call;
    rig.Call(call, method, "alice", Request("alice"));
    CHECK(rig.CodeOf(call) == "9");
    CHECK(rig.MessageOf(call).find("it does not take the token that the gateway has for it") != std::string::npos);
    CHECK(rig.MessageOf(call).find("Nothing is wrong with your own credential") != std::string::npos);
    CHECK(rig.MessageOf(call).find("drivers-own") == std::string::npos);
  }
  // Whoever begins anew is given what a discovery knows of the server now.
  Recorder again;
  rig.Call(again, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(again) == "13");
  CHECK(rig.MessageOf(again).find("it does not take the token") != std::string::npos);
}

TEST_CASE("a driver that wants a token when the gateway has none is an operator's matter, not its caller's") {
  GatewayRig::Options options;
  options.has_audit = true;
  std::atomic<bool> is_refusing = true;
  Pair::ServeFn refuse = Refuse;
  SUBCASE("in a response of trailers alone, as Spark says it") {}
  SUBCASE("after its headers") {
    refuse = [](Recorder& server) {
      server.stream->SendHeaders(kHead, false);
      server.stream->SendEnd({{"grpc-status", "16"}, {"grpc-message", "No authentication token provided"}});
    };
  }
  SUBCASE("in HTTP's terms, as a proxy before it does") {
    refuse = [](Recorder& server) {
      server.stream->SendHeaders({{":status", "401"}, {"content-type", "text/html"}}, false);
      server.stream->SendData(Piece::Copy("<p>No authentication token provided"));
      server.stream->SendEnd({});
    };
  }
  GatewayRig rig([&](Recorder& server) { is_refusing ? refuse(server) : Echo(server); }, options);
  const auto refusals = [&] {
    for (const FamilySnapshot& family : rig.metrics.Snapshot()) {
      if (family.name == "spark_gateway_refused_by_drivers_total") return family.series.front().value;
    }
    return 0.0;
  };
  Recorder call, other;
  rig.Call(call, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(call) == "9");
  const std::string said = rig.MessageOf(call);
  CHECK(said.starts_with("The driver " + rig.driver.address + " refuses the gateway: it wants a token, and"));
  CHECK(said.find("No authentication") == std::string::npos);
  CHECK(said.find("[call ") != std::string::npos);
  CHECK(rig.Audit(2)[1] ==
        "call_refused /spark.connect.SparkConnectService/Config by=alice refused_by=upstream "
        "code=FAILED_PRECONDITION operation=");
  CHECK(refusals() == 1);
  const auto view = [&] { return rig.table.Snapshot().front(); };
  CHECK(view().state == "refusing");
  CHECK(view().last_error == "it wants a token, and the gateway has none for it");

  // Another service may know callers in its own way.
  rig.Call(other, "/acme.Other/Say", "alice", Request("alice"));
  const bool is_http = other.WaitFor([&] { return other.is_closed; }) && other.headers.Get(":status") == "401";
  CHECK((is_http || rig.CodeOf(other) == "16"));
  CHECK(refusals() == 1);
  CHECK(view().state == "refusing");

  is_refusing = false;
  Recorder late, anew;
  rig.Call(late, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(late) == "13");
  CHECK(rig.MessageOf(late).find("it wants a token, and the gateway has none") != std::string::npos);
  const std::string session = "99112233-4455-6677-8899-aabbccddeeff";
  rig.Call(anew, "Config", "alice", Framed(Field(1, session) + Field(2, Field(1, "alice"))));
  CHECK(rig.CodeOf(anew) == "0");
  CHECK(view().state == "connected");
  CHECK(view().last_error.empty());
}

TEST_CASE("without an auth step callers' credentials go to the driver, and its answers come back as they are") {
  GatewayRig::Options options;
  options.has_auth = false;
  GatewayRig rig(Refuse, options);
  Recorder call;
  rig.Call(call, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(call) == "16");
  CHECK(rig.MessageOf(call) == "No authentication token provided");
}

TEST_CASE("who takes the client's word stamps what it claims") {
  GatewayRig rig(Echo);
  Recorder call;
  rig.Call(call, "Config", "anyone", Request("bob"));
  CHECK(rig.CodeOf(call) == "0");
  CHECK(rig.driver.served[0]->body.ends_with(MakeStamp(kSession, "bob", "bob")));

  Recorder nameless;
  rig.Call(nameless, "Config", "anyone", Request(""));
  CHECK(rig.CodeOf(nameless) == "16");
}

TEST_CASE("refusals name the call and carry their details") {
  GatewayRig rig(Echo);
  Recorder unknown, refused;
  rig.Call(unknown, "Config", "", Request("a"));
  rig.Call(refused, "Config", "nobody", Request("a"));
  CHECK(rig.CodeOf(unknown) == "16");
  CHECK(rig.MessageOf(unknown).find("[call ") != std::string::npos);
  CHECK(unknown.headers.Find("grpc-status-details-bin"));
  CHECK(rig.CodeOf(refused) == "7");
  CHECK(rig.driver.served.empty());
}

TEST_CASE("a first message that says no session reaches no driver") {
  GatewayRig rig(Echo);
  struct {
    const char* what;
    std::string bytes;
    const char* code;
  } const cases[] = {
      {"empty message", Framed(""), "3"},
      {"end without a message", "", "3"},
      {"half a message", Request("a").substr(0, 30), "3"},
      {"no session_id", Framed(Field(2, Field(1, "a"))), "3"},
      {"no UUID", Framed(Field(1, "42")), "3"},
      {"session_id behind 32 KiB", Framed("\x1a\x80\x80\x04" + std::string(65536, 'x') + Field(1, kSession)), "3"},
      {"compressed", '\x01' + Request("a").substr(1), "12"},
  };
  for (const auto& one : cases) {
    CAPTURE(one.what);
    Recorder call;
    rig.Call(call, "Config", "alice", one.bytes);
    CHECK(rig.CodeOf(call) == one.code);
    if (one.code == std::string("12")) CHECK(call.headers.Get("grpc-accept-encoding") == "identity");
  }
  CHECK(rig.driver.served.empty());
}

TEST_CASE("a session stays on its driver, and closing an unknown one starts nothing") {
  GatewayRig rig(Echo);
  Recorder noop;
  rig.Call(noop, "ReleaseSession", "alice", Request("alice"));
  CHECK(rig.CodeOf(noop) == "0");
  CHECK(noop.body == EmptyReply(1, kSession));
  CHECK(rig.driver.served.empty());

  Recorder unknown;
  rig.Call(unknown, "ReattachExecute", "alice", Request("alice"));
  CHECK(rig.CodeOf(unknown) == "13");
  CHECK(rig.MessageOf(unknown).find("INVALID_HANDLE.SESSION_CHANGED") != std::string::npos);

  Recorder first, again;
  rig.Call(first, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(first) == "0");
  rig.Call(again, "Interrupt", "alice", Request("alice"));
  CHECK(rig.CodeOf(again) == "0");
  CHECK(rig.driver.served.size() == 2);
  CHECK(rig.sessions->List().size() == 1);
}

TEST_CASE("a released session is closed for good") {
  GatewayRig rig(Echo);
  for (const char* method : {"Config", "ReleaseSession"}) {
    Recorder call;
    rig.Call(call, method, "alice", Request("alice"));
    CHECK(rig.CodeOf(call) == "0");
  }
  Recorder late;
  rig.Call(late, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(late) == "13");
  CHECK(rig.MessageOf(late).find("SESSION_CLOSED") != std::string::npos);
}

TEST_CASE("an operator's end of a session ends its streams, and the driver's side of them") {
  GatewayRig::Options options;
  options.has_audit = true;
  GatewayRig rig(
      [](Recorder& stream) {
        stream.on_headers = [&stream] {
          stream.stream->SendHeaders(kHead, false);
          stream.stream->SendData(Piece::Copy(Framed(Field(1, kSession) + Field(12, "op-1"))));
        };
      },
      options);
  Recorder run;
  rig.Call(run, "ExecutePlan", "alice", Request("alice"));
  REQUIRE(run.WaitFor([&] { return run.received > 0; }));
  CHECK(rig.sessions->End({kSession}).ok());
  CHECK(rig.CodeOf(run) == "13");
  CHECK(rig.MessageOf(run).find("SESSION_CLOSED") != std::string::npos);
  CHECK(run.trailers.Find("grpc-status-details-bin"));
  Recorder& driver = *rig.driver.served[0];
  CHECK(driver.WaitFor([&] { return driver.is_closed; }));

  const std::string path = "/spark.connect.SparkConnectService/ExecutePlan";
  const auto lines = rig.Audit(5);
  REQUIRE(lines.size() == 5);
  CHECK(lines[1] == "operation_started " + path + " by=alice refused_by= code=OK operation=");
  CHECK(lines[2].starts_with("session_closed "));
  CHECK(lines[3] == "operation_ended " + path + " by=alice refused_by=session code=INTERNAL operation=op-1");
  CHECK(lines[4] == "call_refused " + path + " by=alice refused_by=session code=INTERNAL operation=op-1");
}

TEST_CASE("a clone is bound before its client hears of it") {
  const std::string clone = "99999999-4455-6677-8899-aabbccddeeff";
  GatewayRig rig([&](Recorder& stream) { EndWith(stream, Framed(Field(1, kSession) + Field(3, clone))); });
  Recorder first, cloned;
  rig.Call(first, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(first) == "0");
  std::atomic<std::size_t> sessions{0};
  cloned.on_data = [&](Piece) { sessions = rig.sessions->List().size(); };
  rig.Call(cloned, "CloneSession", "alice", Request("alice"));
  CHECK(rig.CodeOf(cloned) == "0");
  CHECK(sessions == 2);
}

TEST_CASE("other services are routed by themselves, at once and unread") {
  GatewayRig rig([](Recorder& stream) {
    // This server speaks first.
    stream.on_headers = [&stream] {
      stream.stream->SendHeaders(kHead, false);
      stream.stream->SendData(Piece::Copy("hello"));
    };
    stream.on_end = [&stream] { stream.stream->SendEnd({{"grpc-status", "0"}}); };
  });
  Recorder call;
  rig.Call(call, "/acme.Other/Talk", "alice", "", false);
  REQUIRE(call.WaitFor([&] { return call.received == 5; }));
  rig.OnClient([&] { call.stream->SendEnd(); });
  CHECK(rig.CodeOf(call) == "0");
  CHECK(rig.sessions->List().empty());
}

TEST_CASE("without an auth step nothing is read, stamped or hidden") {
  GatewayRig::Options options;
  options.has_auth = false;
  GatewayRig rig(Echo, options);
  Recorder call;
  rig.Call(call, "ExecutePlan", "anything", "not a message at all");
  CHECK(rig.CodeOf(call) == "0");
  CHECK(call.body == "not a message at all");
  CHECK(rig.driver.served[0]->headers.Get("authorization") == "Bearer anything");
}

TEST_CASE("a call without a session goes to another server when one cannot be reached") {
  GatewayRig::Options options;
  options.more_drivers = {"127.0.0.1:1"};
  GatewayRig rig(Echo, options);
  for (int i = 0; i < 6; ++i) {
    Recorder call;
    rig.Call(call, "/acme.Other/Say", "alice", Framed("x"));
    CHECK(rig.CodeOf(call) == "0");
  }
}

TEST_CASE("what is not gRPC hears it in the terms of HTTP") {
  GatewayRig rig(Echo);
  for (const auto& one :
       {std::array{"GET", "text/html", "/", "405"}, std::array{"POST", "application/json", "/a.B/C", "415"},
        std::array{"POST", "application/grpc-web", "/a.B/C", "415"},
        std::array{"POST", "application/grpc", "/", "404"}}) {
    const char* const status = one[3];
    CAPTURE(status);
    Recorder call;
    rig.OnClient([&] {
      call.stream = rig.client->Open(
          {{":method", one[0]}, {":scheme", "http"}, {":path", one[2]}, {":authority", "gw"}, {"content-type", one[1]}},
          true, call);
    });
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    CHECK(call.headers.Get(":status") == status);
    CHECK(call.body.find("Spark Gateway") != std::string::npos);
  }
}

TEST_CASE("observers hear of operations, refusals and ends; an audit may refuse an operation") {
  GatewayRig::Options options;
  options.has_audit = true;
  const std::string complete = Framed(Field(1, kSession) + Field(12, "op-1") + Field(14, ""));
  GatewayRig rig([&](Recorder& stream) { EndWith(stream, complete); }, options);
  Recorder run, refused, denied, config;
  rig.Call(config, "Config", "bob", Request("bob", Field(4, "jvm")));
  CHECK(rig.CodeOf(config) == "0");
  rig.Call(run, "ExecutePlan", "alice", Request("alice"));
  CHECK(rig.CodeOf(run) == "0");
  rig.Call(denied, "ExecutePlan", "mallory", Request("mallory"));
  CHECK(rig.CodeOf(denied) == "9");
  rig.Call(refused, "ExecutePlan", "nobody", Request("alice"));
  CHECK(rig.CodeOf(refused) == "7");

  const std::string path = "/spark.connect.SparkConnectService/ExecutePlan";
  const auto lines = rig.Audit(8);
  const auto has = [&](const std::string& line) { return std::find(lines.begin(), lines.end(), line) != lines.end(); };
  CHECK(
      has("session_opened /spark.connect.SparkConnectService/Config by=bob refused_by= code=OK operation= client=jvm"));
  CHECK(has("operation_started " + path + " by=alice refused_by= code=OK operation="));
  CHECK(has("operation_ended " + path + " by=alice refused_by= code=OK operation=op-1"));
  CHECK(has("call_ended " + path + " by=alice refused_by= code=OK operation=op-1"));
  CHECK(has("call_refused " + path + " by=mallory refused_by=audit code=FAILED_PRECONDITION operation="));
  CHECK(has("call_refused " + path + " by= refused_by=people code=PERMISSION_DENIED operation="));
  CHECK(rig.driver.served.size() == 2);
}

TEST_CASE("an operation behind a plan of any size is known by its id, and pauses as any other") {
  GatewayRig::Options options;
  options.has_audit = true;
  // The first stream ends before the operation does.
  GatewayRig rig([](Recorder& stream) { EndWith(stream, Framed(Field(1, kSession) + Field(12, "op-1"))); }, options);
  const std::string plan = std::string("\x1a\x80\x80\x04", 4) + std::string(65'536, 'p');
  const std::string request =
      Request("alice", plan + Field(5, Field(1, "\x08\x01")) + Field(6, "op-1") + Field(4, "jvm"));
  const std::string path = "/spark.connect.SparkConnectService/";
  SUBCASE("sent whole") {
    Recorder run, again;
    rig.Call(run, "ExecutePlan", "alice", request);
    CHECK(rig.CodeOf(run) == "0");
    auto lines = rig.Audit(3);
    CHECK(rig.sessions->List().at(0).operations == 1);
    CHECK(std::count(
              lines.begin(), lines.end(),
              "operation_started " + path + "ExecutePlan by=alice refused_by= code=OK operation=op-1 client=jvm") == 1);
    CHECK(std::none_of(lines.begin(), lines.end(), [](const auto& one) { return one.starts_with("operation_ended"); }));
    // It is ended by the stream that releases it.
    rig.Call(again, "ReleaseExecute", "alice", Request("alice", Field(3, "op-1") + Field(5, "")));
    CHECK(rig.CodeOf(again) == "0");
    lines = rig.Audit(5);
    CHECK(rig.sessions->List().at(0).operations == 0);
    CHECK(std::count(lines.begin(), lines.end(),
                     "operation_ended " + path + "ReleaseExecute by=alice refused_by= code=OK operation=op-1") == 1);
  }
  SUBCASE("never whole") {
    Recorder run;
    rig.Call(run, "ExecutePlan", "alice", request.substr(0, request.size() - 1), false);
    bool is_served = false;
    while (!is_served) rig.driver.Run([&] { is_served = !rig.driver.served.empty(); });
    CHECK(rig.sessions->List().at(0).operations == 0);
    rig.OnClient([&] { run.stream->Reset(ErrorCode::kCancel); });
    const auto lines = rig.Audit(4);
    REQUIRE(lines.size() == 4);
    CHECK(lines[1].starts_with("operation_started "));
    CHECK(lines[2].starts_with("operation_ended "));
    CHECK(rig.sessions->List().at(0).operations == 0);
  }
}

TEST_CASE("a drain lets calls finish, counts them, and takes no new streams") {
  GatewayRig rig(Echo);
  Recorder call;
  rig.Call(call, "Config", "alice", Request("alice"), false);
  while (rig.relay->live_calls() == 0) rig.OnClient([] {});
  rig.door->Drain();
  bool is_leaving = false;
  while (!is_leaving) rig.OnClient([&] { is_leaving = rig.client->is_leaving(); });
  CHECK(rig.relay->live_calls() == 1);
  rig.OnClient([&] { call.stream->SendEnd(); });
  CHECK(rig.CodeOf(call) == "0");
  while (rig.relay->live_calls() > 0) rig.OnClient([] {});
}

TEST_CASE("a drain that waits no longer ends calls with UNAVAILABLE") {
  GatewayRig rig([](Recorder&) {});
  Recorder call;
  rig.Call(call, "Config", "alice", Request("alice"));
  while (rig.relay->live_calls() == 0) rig.OnClient([] {});
  rig.relay->GiveUp();
  CHECK(rig.CodeOf(call) == "14");
}

TEST_CASE("calls are counted by method and code") {
  GatewayRig rig(Echo);
  Recorder call;
  rig.Call(call, "Config", "alice", Request("alice"));
  CHECK(rig.CodeOf(call) == "0");
  while (rig.relay->live_calls() > 0) rig.OnClient([] {});
  bool is_counted = false;
  for (const FamilySnapshot& family : rig.metrics.Snapshot()) {
    if (family.name != "spark_gateway_requests_total") continue;
    for (const auto& one : family.series) {
      is_counted |= one.label_values == std::vector<std::string>{"Config", "OK"} && one.value == 1;
    }
  }
  CHECK(is_counted);
}

}  // namespace
}  // namespace sgw::core::testing
