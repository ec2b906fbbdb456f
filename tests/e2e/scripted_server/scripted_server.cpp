#include "tests/e2e/scripted_server/scripted_server.h"

#include <algorithm>
#include <stdexcept>

#include "tests/e2e/scripted_server/echo_service.h"
#include "tests/e2e/scripted_server/spark_service.h"

namespace sgw::testing {

ScriptedServer::ScriptedServer(Options options)
    : host_(options.host),
      stage_(std::move(options.script), std::move(options.tell)),
      spark_(std::make_unique<SparkService>(stage_)),
      echo_(std::make_unique<EchoService>(stage_)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(host_ + ":" + std::to_string(options.port),
                           options.credentials ? options.credentials : grpc::InsecureServerCredentials(), &port_);
  // A taken port is an error, not a share of its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(spark_.get());
  builder.RegisterService(echo_.get());
  server_ = builder.BuildAndStart();
  if (!server_ || port_ == 0) {
    throw std::runtime_error("cannot listen on " + host_ + ":" + std::to_string(options.port));
  }
}

ScriptedServer::~ScriptedServer() { Stop(); }

std::string ScriptedServer::address() const { return host_ + ":" + std::to_string(port_); }

std::vector<RecordedRequest> ScriptedServer::requests(std::string_view method) const {
  std::vector<RecordedRequest> requests = stage_.requests();
  std::erase_if(requests, [&](const RecordedRequest& request) { return request.method != method; });
  return requests;
}

bool ScriptedServer::WaitForArrived(std::string_view method, std::size_t count) {
  return stage_.WaitFor([&](const std::vector<RecordedRequest>& requests) {
    return std::ranges::count(requests, method, &RecordedRequest::method) >= static_cast<std::ptrdiff_t>(count);
  });
}

bool ScriptedServer::WaitForEnded(std::string_view method, std::size_t count) {
  return stage_.WaitFor([&](const std::vector<RecordedRequest>& requests) {
    const auto has_ended = [&](const RecordedRequest& request) {
      return request.has_ended && request.method == method;
    };
    return std::ranges::count_if(requests, has_ended) >= static_cast<std::ptrdiff_t>(count);
  });
}

std::vector<SessionKey> ScriptedServer::sessions() const { return spark_->sessions().keys(); }

void ScriptedServer::Stop() {
  stage_.Stop();
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

}  // namespace sgw::testing
