// The tests of the gateway believe this server, so it is tested itself.
#include "tests/e2e/scripted_server/scripted_server.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>

#include "spark_connect/base.grpc.pb.h"
#include "spark_connect/error_details.pb.h"
#include "testing/echo.grpc.pb.h"

namespace sgw::testing {
namespace {

using namespace spark::connect;

const std::string kSession = "00112233-4455-6677-8899-aabbccddeeff";

struct Rig {
  ScriptedServer server;
  std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  std::unique_ptr<SparkConnectService::Stub> spark = SparkConnectService::NewStub(channel);
  std::unique_ptr<Echo::Stub> echo = Echo::NewStub(channel);

  template <typename Request>
  static Request From(const std::string& user) {
    Request request;
    request.set_session_id(kSession);
    request.mutable_user_context()->set_user_id(user);
    return request;
  }

  // Runs an execution, or goes on with it. Gives the responses and how the stream ended.
  struct Stream {
    std::vector<ExecutePlanResponse> responses;
    grpc::Status status;
    bool is_complete() const { return !responses.empty() && responses.back().has_result_complete(); }
  };
  Stream Execute(const std::string& script, bool is_reattachable = false, const std::string& operation_id = "op") {
    auto request = From<ExecutePlanRequest>("ann");
    request.set_plan("plan");
    request.set_operation_id(operation_id);
    if (is_reattachable) request.add_request_options()->mutable_reattach_options()->set_reattachable(true);
    grpc::ClientContext context;
    context.AddMetadata("x-script", script);
    return ReadAll(*spark->ExecutePlan(&context, request));
  }
  Stream Reattach(const std::string& script, const std::string& last_response_id,
                  const std::string& operation_id = "op") {
    auto request = From<ReattachExecuteRequest>("ann");
    request.set_operation_id(operation_id);
    request.set_last_response_id(last_response_id);
    grpc::ClientContext context;
    context.AddMetadata("x-script", script);
    return ReadAll(*spark->ReattachExecute(&context, request));
  }
  static Stream ReadAll(grpc::ClientReader<ExecutePlanResponse>& reader) {
    Stream stream;
    ExecutePlanResponse response;
    while (reader.Read(&response)) stream.responses.push_back(response);
    stream.status = reader.Finish();
    return stream;
  }

  grpc::Status Config(const std::string& user, const std::string& fault = "", const std::string& observed = "",
                      ConfigResponse* response = nullptr) {
    auto request = From<ConfigRequest>(user);
    if (!observed.empty()) request.set_client_observed_server_side_session_id(observed);
    grpc::ClientContext context;
    if (!fault.empty()) context.AddMetadata("x-fault", fault);
    ConfigResponse ignored;
    return spark->Config(&context, request, response ? response : &ignored);
  }
};

std::string ErrorClassOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (!details.ParseFromString(status.error_details())) return "unreadable details";
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) return info.metadata().at("errorClass");
  }
  return "no ErrorInfo";
}

TEST_CASE("an execution sends what its script says, and remembers who asked") {
  Rig rig;
  const auto stream = rig.Execute("responses=3; bytes=70000");
  CHECK(stream.status.ok());
  REQUIRE(stream.responses.size() == 4);
  CHECK(stream.is_complete());
  CHECK(stream.responses[1].arrow_batch().data() == std::string(70'000, 'b'));

  REQUIRE(rig.server.WaitForEnded("ExecutePlan"));
  const RecordedRequest request = rig.server.requests("ExecutePlan").at(0);
  CHECK(request.user_id == "ann");
  CHECK(request.session_id == kSession);
  CHECK(request.operation_id == "op");
  CHECK(request.bytes == 4);
  CHECK(request.responses == 4);
  CHECK_FALSE(request.has_deadline);
  CHECK(request.metadata.count("x-script") == 1);
}

TEST_CASE("a reattachable stream that was cut goes on behind the last response") {
  Rig rig;
  const auto first = rig.Execute("responses=4; cut=2", true);
  CHECK(first.status.ok());
  CHECK(first.responses.size() == 2);
  CHECK_FALSE(first.is_complete());

  const auto second = rig.Reattach("cut=2", first.responses.back().response_id());
  CHECK(second.responses.size() == 2);
  const auto third = rig.Reattach("", second.responses.back().response_id());
  CHECK(third.responses.size() == 1);
  CHECK(third.is_complete());
}

TEST_CASE("operations are refused as Spark does") {
  Rig rig;
  REQUIRE(rig.Execute("", true).status.ok());
  CHECK(ErrorClassOf(rig.Execute("", true).status) == "INVALID_HANDLE.OPERATION_ALREADY_EXISTS");
  CHECK(ErrorClassOf(rig.Reattach("", "", "other").status) == "INVALID_HANDLE.OPERATION_NOT_FOUND");

  auto release = Rig::From<ReleaseExecuteRequest>("ann");
  release.set_operation_id("op");
  release.mutable_release_all();
  grpc::ClientContext context;
  ReleaseExecuteResponse released;
  CHECK(rig.spark->ReleaseExecute(&context, release, &released).ok());
  CHECK(rig.Reattach("", "").status.error_code() == grpc::StatusCode::INTERNAL);
}

TEST_CASE("a session belongs to its user, and ends for good") {
  Rig rig;
  ConfigResponse ann, ann_again, bob;
  REQUIRE(rig.Config("ann", "", "", &ann).ok());
  REQUIRE(rig.Config("ann", "", ann.server_side_session_id(), &ann_again).ok());
  REQUIRE(rig.Config("bob", "", "", &bob).ok());
  CHECK(ann.server_side_session_id() == ann_again.server_side_session_id());
  CHECK(ann.server_side_session_id() != bob.server_side_session_id());
  CHECK(rig.server.sessions() == std::vector<SessionKey>{{"ann", kSession}, {"bob", kSession}});
  CHECK(ErrorClassOf(rig.Config("bob", "", ann.server_side_session_id())) == "INVALID_HANDLE.SESSION_CHANGED");

  grpc::ClientContext context;
  ReleaseSessionResponse released;
  REQUIRE(rig.spark->ReleaseSession(&context, Rig::From<ReleaseSessionRequest>("ann"), &released).ok());
  CHECK(ErrorClassOf(rig.Config("ann")) == "INVALID_HANDLE.SESSION_CLOSED");
  CHECK(rig.Config("bob").ok());
}

TEST_CASE("what needs a session finds none") {
  Rig rig;
  CHECK(ErrorClassOf(rig.Reattach("", "").status) == "INVALID_HANDLE.SESSION_NOT_FOUND");
  CHECK(rig.server.sessions().empty());
}

TEST_CASE("a clone is a session of the same user") {
  Rig rig;
  REQUIRE(rig.Config("ann").ok());
  grpc::ClientContext context;
  CloneSessionResponse response;
  REQUIRE(rig.spark->CloneSession(&context, Rig::From<CloneSessionRequest>("ann"), &response).ok());
  CHECK(rig.server.sessions().size() == 2);
  CHECK_FALSE(response.new_server_side_session_id().empty());
}

TEST_CASE("artifacts are counted over all messages") {
  Rig rig;
  grpc::ClientContext context;
  AddArtifactsResponse response;
  auto writer = rig.spark->AddArtifacts(&context, &response);
  for (const char* user : {"ann", "ann", "bob"}) {
    auto request = Rig::From<AddArtifactsRequest>(user);
    request.set_chunk(std::string(1'000, 'c'));
    REQUIRE(writer->Write(request));
  }
  writer->WritesDone();
  CHECK(writer->Finish().ok());
  CHECK(response.session_id() == kSession);
  REQUIRE(rig.server.WaitForEnded("AddArtifacts"));
  const RecordedRequest request = rig.server.requests("AddArtifacts").at(0);
  CHECK(request.messages == 3);
  CHECK(request.bytes == 3'000);
  CHECK(request.user_ids == std::set<std::string>{"ann", "bob"});
}

TEST_CASE("faults come when and as they were asked for") {
  Rig rig;
  CHECK(rig.Config("ann", "status=14; message=try again").error_message() == "try again");
  CHECK(rig.Config("ann", "status=13; details=5000").error_details().size() > 5'000);
  CHECK(ErrorClassOf(rig.Config("ann", "status=13; error=INVALID_CURSOR.DISCONNECTED")) ==
        "INVALID_CURSOR.DISCONNECTED");
  CHECK_FALSE(rig.Config("ann", "reset").ok());
  CHECK(rig.Config("ann", "delay=1ms").ok());
  CHECK(rig.Config("ann", "sttaus=14").error_code() == grpc::StatusCode::INVALID_ARGUMENT);

  const auto stream = rig.Execute("responses=5; status=14; after=2");
  CHECK(stream.responses.size() == 2);
  CHECK(stream.status.error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("a call that hangs hears its client leave") {
  Rig rig;
  grpc::ClientContext context;
  context.AddMetadata("x-fault", "hang; after=1");
  auto reader = rig.spark->ExecutePlan(&context, Rig::From<ExecutePlanRequest>("ann"));
  ExecutePlanResponse response;
  CHECK(reader->Read(&response));
  context.TryCancel();
  CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  REQUIRE(rig.server.WaitForEnded("ExecutePlan"));
  CHECK(rig.server.requests().at(0).was_cancelled);
}

TEST_CASE("a server that stops ends what hangs") {
  Rig rig;
  grpc::ClientContext context;
  context.AddMetadata("x-fault", "hang; after=1");
  auto reader = rig.spark->ExecutePlan(&context, Rig::From<ExecutePlanRequest>("ann"));
  ExecutePlanResponse response;
  CHECK(reader->Read(&response));
  rig.server.Stop();
  CHECK_FALSE(reader->Finish().ok());
}

TEST_CASE("echo answers in all four kinds") {
  Rig rig;
  EchoMessage message, response;
  message.set_payload("hello");
  {
    grpc::ClientContext context;
    context.AddMetadata("x-echo", "head");
    context.AddMetadata("x-echo-bin", std::string("\0\xff", 2));
    CHECK(rig.echo->Unary(&context, message, &response).ok());
    CHECK(response.payload() == "hello");
    CHECK(context.GetServerInitialMetadata().count("x-echo") == 1);
    CHECK(context.GetServerTrailingMetadata().find("x-echo-bin")->second == grpc::string_ref("\0\xff", 2));
  }
  {
    grpc::ClientContext context;
    auto writer = rig.echo->ClientStream(&context, &response);
    CHECK(writer->Write(message));
    CHECK(writer->Write(message));
    writer->WritesDone();
    CHECK(writer->Finish().ok());
    CHECK(response.payload() == "hellohello");
  }
  {
    grpc::ClientContext context;
    context.AddMetadata("x-script", "responses=3");
    auto reader = rig.echo->ServerStream(&context, message);
    int count = 0;
    while (reader->Read(&response)) ++count;
    CHECK(count == 3);
    CHECK(reader->Finish().ok());
  }
  {
    grpc::ClientContext context;
    auto stream = rig.echo->Bidirectional(&context);
    for (int i = 0; i < 3; ++i) {
      CHECK(stream->Write(message));
      CHECK(stream->Read(&response));
    }
    stream->WritesDone();
    CHECK(stream->Finish().ok());
  }
}

// Runs the program to its end and gives what it wrote.
std::string Output(const std::string& arguments, int* exit_code) {
  FILE* pipe = popen((std::string(SCRIPTED_SERVER) + " " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 256> buffer;
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  const int status = pclose(pipe);
  *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

TEST_CASE("a call is told when it begins, and with all that came of it when it ends") {
  std::vector<std::string> lines;
  {
    ScriptedServer::Options options;
    options.tell = [&](const std::string& line) { lines.push_back(line); };
    ScriptedServer server(options);
    const auto stub =
        SparkConnectService::NewStub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    ConfigResponse response;
    CHECK(stub->Config(&context, Rig::From<ConfigRequest>("ann"), &response).ok());
    REQUIRE(server.WaitForEnded("Config"));
  }
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == R"({"event":"began","call":0,"method":"Config"})");
  CHECK(lines[1] == R"({"event":"ended","call":0,"method":"Config","session_id":")" + kSession +
                        R"(","user_id":"ann","operation_id":"","messages":1,"bytes":0,"responses":1,)"
                        R"("was_cancelled":false})");
}

TEST_CASE("as a process it says where it listens, and ends when it is told") {
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(pipe[1], STDOUT_FILENO);
    execl(SCRIPTED_SERVER, SCRIPTED_SERVER, "--print", "warming", "--port", "0", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(pipe[1]);
  FILE* output = fdopen(pipe[0], "r");
  std::array<char, 256> line;
  REQUIRE(fgets(line.data(), line.size(), output) != nullptr);
  CHECK(std::string(line.data()) == "warming\n");
  REQUIRE(fgets(line.data(), line.size(), output) != nullptr);
  CHECK(std::string(line.data()).starts_with("scripted server started at: 127.0.0.1:"));

  kill(child, SIGTERM);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  fclose(output);
}

TEST_CASE("as a process that fails it says why") {
  int exit_code = 0;
  CHECK(Output("--print one --fail 'no memory'", &exit_code) == "one\nscripted-spark-server: no memory\n");
  CHECK(exit_code == 1);
  CHECK(Output("--prot 1", &exit_code) == "scripted-spark-server: no option '--prot'\n");
  CHECK(exit_code == 1);
}

}  // namespace
}  // namespace sgw::testing
