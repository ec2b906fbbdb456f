// sgw.testing.Echo: what a service that is not Spark Connect does with a call, in all four kinds.
#pragma once

#include "testing/echo.grpc.pb.h"
#include "tests/e2e/scripted_server/stage.h"

namespace sgw::testing {

class EchoService final : public Echo::Service {
 public:
  explicit EchoService(Stage& stage) : stage_(stage) {}

  grpc::Status Unary(grpc::ServerContext* context, const EchoMessage* request, EchoMessage* response) override;
  grpc::Status ClientStream(grpc::ServerContext* context, grpc::ServerReader<EchoMessage>* requests,
                            EchoMessage* response) override;
  grpc::Status ServerStream(grpc::ServerContext* context, const EchoMessage* request,
                            grpc::ServerWriter<EchoMessage>* responses) override;
  grpc::Status Bidirectional(grpc::ServerContext* context,
                             grpc::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override;

 private:
  Stage& stage_;
};

}  // namespace sgw::testing
