// SparkConnectService as a script plays it: the sessions, operations and errors of Spark, with answers of any size, and
// no Spark behind them.
#pragma once

#include "spark_connect/base.grpc.pb.h"
#include "tests/e2e/scripted_server/spark_sessions.h"
#include "tests/e2e/scripted_server/stage.h"

namespace sgw::testing {

class SparkService final : public spark::connect::SparkConnectService::Service {
 public:
  explicit SparkService(Stage& stage) : stage_(stage) {}

  const SparkSessions& sessions() const { return sessions_; }

  template <typename Message>
  using In = const Message*;
  using Context = grpc::ServerContext;
  using Responses = grpc::ServerWriter<spark::connect::ExecutePlanResponse>;

  grpc::Status ExecutePlan(Context*, In<spark::connect::ExecutePlanRequest>, Responses*) override;
  grpc::Status ReattachExecute(Context*, In<spark::connect::ReattachExecuteRequest>, Responses*) override;
  grpc::Status AddArtifacts(Context*, grpc::ServerReader<spark::connect::AddArtifactsRequest>*,
                            spark::connect::AddArtifactsResponse*) override;
  grpc::Status AnalyzePlan(Context*, In<spark::connect::AnalyzePlanRequest>,
                           spark::connect::AnalyzePlanResponse*) override;
  grpc::Status Config(Context*, In<spark::connect::ConfigRequest>, spark::connect::ConfigResponse*) override;
  grpc::Status ArtifactStatus(Context*, In<spark::connect::ArtifactStatusesRequest>,
                              spark::connect::ArtifactStatusesResponse*) override;
  grpc::Status Interrupt(Context*, In<spark::connect::InterruptRequest>, spark::connect::InterruptResponse*) override;
  grpc::Status ReleaseExecute(Context*, In<spark::connect::ReleaseExecuteRequest>,
                              spark::connect::ReleaseExecuteResponse*) override;
  grpc::Status ReleaseSession(Context*, In<spark::connect::ReleaseSessionRequest>,
                              spark::connect::ReleaseSessionResponse*) override;
  grpc::Status FetchErrorDetails(Context*, In<spark::connect::FetchErrorDetailsRequest>,
                                 spark::connect::FetchErrorDetailsResponse*) override;
  grpc::Status CloneSession(Context*, In<spark::connect::CloneSessionRequest>,
                            spark::connect::CloneSessionResponse*) override;
  grpc::Status GetStatus(Context*, In<spark::connect::GetStatusRequest>, spark::connect::GetStatusResponse*) override;

 private:
  // Everything that the unary methods have in common, with what only one of them does in `act`.
  template <typename Request, typename Response, typename Act>
  grpc::Status Unary(const char* method, Context* context, const Request& request, Response* response, bool may_create,
                     const Act& act);
  // Sends the responses of an execution from number `next` on.
  grpc::Status Send(Performance& call, const SessionKey& key, const std::string& operation_id,
                    const std::string& server_session, const Execution& execution, int next, Responses* responses);

  Stage& stage_;
  SparkSessions sessions_;
};

}  // namespace sgw::testing
