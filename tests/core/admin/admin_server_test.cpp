#include "core/admin/admin_server.h"

#include <doctest/doctest.h>
#include <grpcpp/grpcpp.h>
#include <sgw/testing/temp_dir.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "spark_gateway/admin.grpc.pb.h"
#include "tests/core/admin/fake_backend.h"

using namespace sgw::core;
using namespace sgw::core::testing;
namespace api = spark_gateway::admin::v1;
namespace fs = std::filesystem;

namespace {

struct ServerFixture {
  std::string path() const { return folder.path() + "/run/admin.sock"; }
  std::string address() const { return "unix:" + path(); }
  std::unique_ptr<api::Admin::Stub> Stub() const {
    return api::Admin::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
  }

  const sgw::testing::TempDir folder;
  FakeBackend backend;
};

// What a killed gateway leaves: a socket's file, and nobody behind it.
void LeaveSocket(const std::string& path) {
  fs::create_directories(fs::path(path).parent_path());
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
  close(fd);
}

SessionView Session(int number) {
  SessionView view;
  view.session_id = "session-" + std::to_string(number);
  view.subject = std::string(300, 's');
  view.endpoint = "driver.example:15002";
  return view;
}

}  // namespace

TEST_CASE("the admin socket is its owner's alone, and its folder is made") {
  ServerFixture f;
  const auto server = AdminServer::Start(f.address(), f.backend);
  REQUIRE_MESSAGE(server, server.status().message());
  struct stat found {};
  REQUIRE(stat(f.path().c_str(), &found) == 0);
  CHECK(S_ISSOCK(found.st_mode));
  CHECK((found.st_mode & 0777) == 0600);
}

TEST_CASE("the socket of a gateway that was killed is replaced") {
  ServerFixture f;
  LeaveSocket(f.path());
  const auto server = AdminServer::Start(f.address(), f.backend);
  REQUIRE_MESSAGE(server, server.status().message());
  grpc::ClientContext context;
  api::ListPluginsResponse reply;
  CHECK(f.Stub()->ListPlugins(&context, {}, &reply).ok());
}

TEST_CASE("the socket of a gateway that runs is refused to a second one, and still answers") {
  ServerFixture f;
  const auto first = AdminServer::Start(f.address(), f.backend);
  REQUIRE(first);
  const auto second = AdminServer::Start(f.address(), f.backend);
  REQUIRE_FALSE(second);
  CHECK(second.status().message() ==
        "admin.address: " + f.path() + " belongs to a gateway that runs; give each its own");
  grpc::ClientContext context;
  api::ListPluginsResponse reply;
  CHECK(f.Stub()->ListPlugins(&context, {}, &reply).ok());
}

TEST_CASE("a file that is no socket is never removed") {
  ServerFixture f;
  fs::create_directories(fs::path(f.path()).parent_path());
  std::ofstream(f.path()) << "precious";
  const auto server = AdminServer::Start(f.address(), f.backend);
  REQUIRE_FALSE(server);
  CHECK(server.status().message() == "admin.address: " + f.path() + " is there and is no socket");
  CHECK(fs::file_size(f.path()) == 8);
}

TEST_CASE("a folder that cannot be made is said") {
  ServerFixture f;
  const auto server = AdminServer::Start("unix:/proc/nowhere/admin.sock", f.backend);
  REQUIRE_FALSE(server);
  CHECK(server.status().message().rfind("admin.address: cannot make /proc/nowhere: ", 0) == 0);
}

TEST_CASE("tens of thousands of sessions are listed in their order") {
  ServerFixture f;
  constexpr int kSessions = 30'000;
  for (int i = 0; i < kSessions; ++i) f.backend.sessions.push_back(Session(i));
  const auto server = AdminServer::Start(f.address(), f.backend);
  REQUIRE(server);
  grpc::ClientContext context;
  const auto stub = f.Stub();
  const auto reader = stub->ListSessions(&context, {});
  int seen = 0;
  std::size_t largest = 0;
  bool is_in_order = true;
  for (api::ListSessionsResponse part; reader->Read(&part);) {
    largest = std::max(largest, part.ByteSizeLong());
    for (const auto& one : part.sessions())
      is_in_order = is_in_order && one.session_id() == "session-" + std::to_string(seen++);
  }
  CHECK(reader->Finish().ok());
  CHECK(seen == kSessions);
  CHECK(is_in_order);
  CHECK(largest < 1 << 20);
}

TEST_CASE("a caller who does not read its list does not keep the others waiting") {
  ServerFixture f;
  for (int i = 0; i < 30'000; ++i) f.backend.sessions.push_back(Session(i));
  const auto server = AdminServer::Start(f.address(), f.backend);
  REQUIRE(server);
  grpc::ClientContext slow;
  const auto stub = f.Stub();
  const auto unread = stub->ListSessions(&slow, {});
  api::ListSessionsResponse part;
  REQUIRE(unread->Read(&part));
  grpc::ClientContext context;
  api::ListPluginsResponse reply;
  CHECK(f.Stub()->ListPlugins(&context, {}, &reply).ok());
  CHECK(reply.plugins(0).instance() == "who");
  slow.TryCancel();
  while (unread->Read(&part)) {
  }
  CHECK_FALSE(unread->Finish().ok());
}

TEST_CASE("each question has its answer, and a refusal its code") {
  ServerFixture f;
  EndpointView& endpoint = f.backend.endpoints.emplace_back();
  endpoint.failures = 3;
  endpoint.last_error = "refused";
  const auto server = AdminServer::Start(f.address(), f.backend);
  REQUIRE(server);
  const auto stub = f.Stub();
  {
    grpc::ClientContext context;
    api::ListEndpointsResponse reply;
    CHECK(stub->ListEndpoints(&context, {}, &reply).ok());
    CHECK(reply.endpoints(0).failures() == 3);
    CHECK(reply.endpoints(0).last_error() == "refused");
  }
  {
    grpc::ClientContext context;
    api::EndSessionRequest request;
    request.set_session_id("s1");
    api::EndSessionResponse reply;
    const grpc::Status status = stub->EndSession(&context, request, &reply);
    CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
    CHECK(status.error_message() == "there is no session s1");
  }
  for (const bool as_json : {false, true}) {
    grpc::ClientContext context;
    api::GetConfigRequest request;
    request.set_json(as_json);
    api::GetConfigResponse reply;
    CHECK(stub->GetConfig(&context, request, &reply).ok());
    CHECK(reply.text() == (as_json ? "{}\n" : "workers: 0\n"));
  }
}
