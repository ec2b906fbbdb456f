// ScriptedServer: a real gRPC server on a free port of the loopback, for tests of what stands in front of it. It serves
// SparkConnectService and sgw.testing.Echo, keeps what it was asked, and answers as the caller's script says.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/scripted_server/script.h"
#include "tests/e2e/scripted_server/spark_sessions.h"
#include "tests/e2e/scripted_server/stage.h"

namespace sgw::testing {

class SparkService;
class EchoService;

class ScriptedServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    int port = 0;                                          // 0: one from the kernel
    Script script;                                         // what is done where the caller says nothing else
    std::shared_ptr<grpc::ServerCredentials> credentials;  // null: plaintext
    Tell tell;
  };

  // Listens when it returns. Throws std::runtime_error when it cannot.
  explicit ScriptedServer(Options options);
  ScriptedServer() : ScriptedServer(Options()) {}
  // Cancels what still runs.
  ~ScriptedServer();

  int port() const { return port_; }
  std::string address() const;

  // All requests in the order of their arrival; those of one method.
  std::vector<RecordedRequest> requests() const { return stage_.requests(); }
  std::vector<RecordedRequest> requests(std::string_view method) const;
  // Waits until so many calls of the method have arrived, or ended. False after ten seconds.
  bool WaitForArrived(std::string_view method, std::size_t count = 1);
  bool WaitForEnded(std::string_view method, std::size_t count = 1);
  // The sessions that live, by (user_id, session_id).
  std::vector<SessionKey> sessions() const;

  // Ends all calls and connections at once. Idempotent.
  void Stop();

 private:
  const std::string host_;
  int port_ = 0;
  Stage stage_;
  std::unique_ptr<SparkService> spark_;
  std::unique_ptr<EchoService> echo_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sgw::testing
