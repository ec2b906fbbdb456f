#include "core/relay/headers.h"

#include <doctest/doctest.h>

#include "core/relay/refusal.h"

namespace sgw::core {
namespace {

const HeaderBlock kReceived{{":method", "POST"},
                            {":path", "/a.B/C"},
                            {":authority", "gateway:15002"},
                            {"te", "trailers"},
                            {"content-type", "application/grpc"},
                            {"content-length", "12"},
                            {"authorization", "Bearer secret"},
                            {"x-spark-team", "ads"},
                            {"x-spark-gateway-forged", "1"},
                            {"host", "evil"},
                            {"grpc-timeout", "1S"}};

TEST_CASE("what a route was made from and what is ours does not go on") {
  const Endpoint endpoint{.address = "driver:1"};
  const std::vector<std::string> made_from{"x-spark-team"};
  ForwardFacts facts{endpoint, "00-trace"};
  facts.has_auth = true;
  facts.is_stamped = true;
  facts.routing_headers = &made_from;
  const HeaderBlock head = ForwardedHead(kReceived, facts);
  for (const char* gone : {"authorization", "x-spark-team", "x-spark-gateway-forged", "host", "content-length"}) {
    CAPTURE(gone);
    CHECK(!head.Find(gone));
  }
  CHECK(head.Get(":authority") == "driver:1");
  CHECK(head.Get(":scheme") == "http");
  facts.is_tls = true;
  CHECK(ForwardedHead(kReceived, facts).Get(":scheme") == "https");
  CHECK(head.Get("grpc-timeout") == "1S");
  CHECK(head.Get("traceparent") == "00-trace");
  // It is never the same twice: no table is to be filled with it.
  for (std::size_t i = 0; i < head.size(); ++i) CHECK(head[i].is_never_indexed == (head[i].name == "traceparent"));
}

TEST_CASE("what an identity was made from does not go on") {
  const Endpoint endpoint{.address = "driver:1"};
  const std::vector<std::string> made_from{"x-spark-team", "grpc-timeout"};
  ForwardFacts facts{endpoint, "00-trace"};
  facts.identity_headers = &made_from;
  const HeaderBlock head = ForwardedHead(kReceived, facts);
  CHECK(!head.Find("x-spark-team"));
  CHECK(!head.Find("grpc-timeout"));
  // Nor under the name that a server may take for it.
  CHECK(!ForwardedHead({{"x_spark-team", "ml"}}, facts).Find("x_spark-team"));
}

TEST_CASE("where callers are known, no header of theirs says who they are, under any of its names") {
  const char* claims[] = {"x-spark-user",
                          "x_spark_user",
                          "x-spark-",
                          "x-spark_subject",
                          "x-spark-gateway-user",
                          "x_spark_gateway_user",
                          "x-forwarded-user",
                          "x-forwarded-email",
                          "x-forwarded-groups",
                          "x-forwarded-preferred-username",
                          "x-forwarded-access-token",
                          "x-forwarded-client-cert",
                          "x_forwarded_user",
                          "x-remote-user",
                          "x-remote-group",
                          "remote-user",
                          "remote_user",
                          "remote-groups",
                          "remote-name",
                          "remote-email",
                          "x-auth-request-user",
                          "x-auth-request-email",
                          "x-authenticated-user",
                          "client-cert",
                          "client-cert-chain",
                          "cookie"};
  const char* others[] = {"x-sparkle", "x-request-id", "x-forwarded-for", "content-type", "user-agent", "x",
                          "c",         "remote"};
  HeaderBlock received = kReceived;
  for (const char* name : claims) received.Add(name, "root");
  for (const char* name : others) received.Add(name, "1");
  const Endpoint endpoint{.address = "driver:1"};
  ForwardFacts facts{endpoint, "00-trace"};
  facts.has_auth = true;
  const HeaderBlock head = ForwardedHead(received, facts);
  for (const char* name : claims) CHECK_MESSAGE(!head.Find(name), name);
  for (const char* name : others) CHECK_MESSAGE(head.Find(name), name);
  // What a plugin says is true.
  const HeaderEdits identity{.set = {{"x-spark-user", "alice"}, {"x-forwarded-user", "alice"}}};
  const HeaderEdits route{.set = {{"x-spark-team", "ads"}, {"cookie", "a=1"}}};
  facts.identity_edits = &identity;
  facts.route_edits = &route;
  const HeaderBlock edited = ForwardedHead(received, facts);
  CHECK(edited.Get("x-spark-user") == "alice");
  CHECK(edited.Get("x-forwarded-user") == "alice");
  CHECK(edited.Get("x-spark-team") == "ads");
  CHECK(edited.Get("cookie") == "a=1");
  // An open gateway knows nobody, and leaves it to the server.
  const HeaderBlock open = ForwardedHead(received, {endpoint, "00-trace"});
  for (const char* name : claims) {
    const bool is_ours = std::string_view(name).find("gateway") != std::string_view::npos;
    CHECK_MESSAGE(open.Find(name).has_value() != is_ours, name);
  }
}

TEST_CASE("two credentials that differ are noticed, wherever they stand") {
  CHECK_FALSE(HasTwoCredentials({{"x", "1"}}));
  CHECK_FALSE(HasTwoCredentials({{"authorization", "Bearer a"}}));
  CHECK_FALSE(HasTwoCredentials({{"authorization", "Bearer a"}, {"authentication", "Bearer a"}}));
  CHECK(HasTwoCredentials({{"authorization", "Bearer a"}, {"authentication", "Bearer b"}}));
  CHECK(HasTwoCredentials({{"authorization", "Bearer a"}, {"authorization", "Bearer A"}}));
  CHECK(HasTwoCredentials({{"authentication", ""}, {"x", "1"}, {"authentication", "Bearer a"}}));
}

TEST_CASE("edits apply in their order and cannot touch what makes a request one of gRPC") {
  const Endpoint endpoint{.address = "unix:/run/driver",
                          .headers = {.remove = {"x-identity"}, .set = {{"x-who", "endpoint"}, {"te", "gzip"}}}};
  const HeaderEdits identity{.set = {{"x-who", "identity"}, {"x-identity", "1"}, {":path", "/evil"}}};
  const HeaderEdits route{.remove = {"content-type", "grpc-timeout"}, .set = {{"x-route", "a"}, {"x-route", "b"}}};
  ForwardFacts facts{endpoint, "t"};
  facts.identity_edits = &identity;
  facts.route_edits = &route;
  const HeaderBlock head = ForwardedHead(kReceived, facts);
  CHECK(head.Get("x-who") == "endpoint");
  CHECK(!head.Find("x-identity"));
  CHECK(head.Get(":path") == "/a.B/C");
  CHECK(head.Get("te") == "trailers");
  CHECK(head.Get("content-type") == "application/grpc");
  CHECK(head.Find("grpc-timeout"));
  CHECK(head.Get("authorization") == "Bearer secret");  // no auth step, no token of the driver's
  CHECK(head.Get(":authority") == "localhost");
  int routes = 0;
  for (std::size_t i = 0; i < head.size(); ++i) routes += head[i].name == "x-route";
  CHECK(routes == 2);
}

TEST_CASE("what a plugin sets or removes is what it says, under each name that a server may take for it") {
  const Endpoint endpoint{.address = "driver:1"};
  const HeaderEdits identity{.remove = {"x-old-role"}, .set = {{"x-tenant-id", "ads"}, {"content_type", "text/html"}}};
  ForwardFacts facts{endpoint, "00-trace"};
  facts.identity_edits = &identity;
  HeaderBlock received = kReceived;
  for (const char* name : {"x-tenant-id", "x_tenant_id", "x-tenant_id", "x_old_role"}) received.Add(name, "ml");
  const HeaderBlock head = ForwardedHead(received, facts);
  CHECK(head.Get("x-tenant-id") == "ads");
  for (const char* gone : {"x_tenant_id", "x-tenant_id", "x_old_role"}) CHECK_MESSAGE(!head.Find(gone), gone);
  CHECK(head.Get("content-type") == "application/grpc");
}

TEST_CASE("what HTTP/2 does not take is left out of a plugin's edits") {
  const Endpoint endpoint{.address = "a:1",
                          .token = Secret("two\nlines"),
                          .headers = {.set = {{"X-Upper", "1"}, {"x y", "1"}, {"x-line", "a\r\nb"}, {"x-ok", "\tü"}}}};
  const HeaderBlock head = ForwardedHead(kReceived, {endpoint, "t"});
  for (const char* gone : {"X-Upper", "x y", "x-line", "authorization"}) {
    CAPTURE(gone);
    CHECK(!head.Find(gone));
  }
  CHECK(head.Get("x-ok") == "\tü");
}

TEST_CASE("no spelling of a service's path passes for another service") {
  for (const char* path :
       {"/spark.connect.SparkConnectService/Config", "/grpc.testing.TestService/UnaryCall", "/a/b"}) {
    CHECK_MESSAGE(IsGrpcPath(path), path);
  }
  for (const char* path : {"//spark.connect.SparkConnectService/Config",
                           "/./spark.connect.SparkConnectService/Config",
                           "/x/../spark.connect.SparkConnectService/Config",
                           "/spark%2Econnect.SparkConnectService/Config",
                           "/spark.connect.SparkConnectService//Config",
                           "/spark.connect.SparkConnectService/Config/",
                           "/spark.connect.SparkConnectService/./Config",
                           "/spark.connect.SparkConnectService/Config/x",
                           "/spark.connect.SparkConnectService/Config;x",
                           "/spark.connect.SparkConnectService\\Config",
                           "/spark.connect.SparkConnectService\\x/Config",
                           "/spark.connect.SparkConnectService/Conf%69g",
                           "/spark.connect.SparkConnectService/",
                           "/spark.connect.SparkConnectService",
                           "/./Config",
                           "/../Config",
                           "/a/.",
                           "/a/..",
                           "/",
                           "//",
                           "",
                           "spark.connect.SparkConnectService/Config",
                           "/spark.connect.SparkConnectService/Config?x",
                           "/spark.connect.SparkConnectService/Config#x"}) {
    CHECK_FALSE_MESSAGE(IsGrpcPath(path), path);
  }
}

TEST_CASE("no close of a driver's stream becomes DEADLINE_EXCEEDED") {
  for (std::uint32_t code = 0; code < 20; ++code) {
    for (const CloseReason reason : {CloseReason::kEnded, CloseReason::kPeerReset, CloseReason::kLocalReset,
                                     CloseReason::kConnectionLost, CloseReason::kNotProcessed, CloseReason::kNotSent}) {
      const Status status = StatusOfClose({reason, static_cast<ErrorCode>(code), true}, "driver:1");
      CHECK(!status.ok());
      CHECK(status.code() != StatusCode::kDeadlineExceeded);
    }
  }
  CHECK(StatusOfClose({CloseReason::kPeerReset, ErrorCode::kRefusedStream, true}, "d").code() ==
        StatusCode::kUnavailable);
}

TEST_CASE("a long refusal is cut before its call id, in the details too") {
  for (const std::string letter : {"x", "ü"}) {
    std::string message;
    while (message.size() < 10'000) message += letter;
    const HeaderBlock fields = StatusFields(Unavailable(message), "abc123", "", true);
    CHECK(fields.Get("grpc-message").ends_with(" [call abc123]"));
    CHECK(fields.bytes() < 7'000);  // what Netty takes by itself is 8 KiB
    // " [call abc123]" in the base64 of any of its three places.
    const std::string_view details = fields.Get("grpc-status-details-bin");
    const bool is_there = details.find("IFtjYWxsIGFiYzEyM1") != std::string_view::npos ||
                          details.find("BbY2FsbCBhYmMxMjNd") != std::string_view::npos ||
                          details.find("gW2NhbGwgYWJjMTIzX") != std::string_view::npos;
    CHECK(is_there);
  }
}

TEST_CASE("trailers without a code of gRPC's are UNKNOWN") {
  CHECK(CodeOfTrailers({{"grpc-status", "0"}}) == StatusCode::kOk);
  CHECK(CodeOfTrailers({{"grpc-status", "16"}}) == StatusCode::kUnauthenticated);
  for (const char* bad : {"", "17", "-1", "0x", "99999999999"}) {
    CHECK(CodeOfTrailers({{"grpc-status", bad}}) == StatusCode::kUnknown);
  }
  CHECK(CodeOfTrailers({}) == StatusCode::kUnknown);
  CHECK(CodeOfHead({{":status", "200"}, {"grpc-status", "16"}}, true) == StatusCode::kUnauthenticated);
  CHECK(CodeOfHead({{":status", "200"}, {"grpc-status", "16"}}, false) == StatusCode::kOk);
  CHECK(CodeOfHead({{":status", "200"}}, true) == StatusCode::kUnknown);
  CHECK(CodeOfHead({{":status", "401"}}, false) == StatusCode::kUnauthenticated);
  CHECK(CodeOfHead({{":status", "401"}, {"grpc-status", "7"}}, true) == StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace sgw::core
