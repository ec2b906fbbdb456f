#include "tests/e2e/scripted_server/spark_service.h"

#include <charconv>

namespace sgw::testing {

using namespace spark::connect;

namespace {

constexpr auto kNothingElse = [](const SessionKey&, const std::string&) { return grpc::Status::OK; };

template <typename Request>
SessionKey KeyOf(const Request& request) {
  return {request.user_context().user_id(), request.session_id()};
}

template <typename Request>
std::string ObservedBy(const Request& request) {
  if constexpr (requires { request.client_observed_server_side_session_id(); }) {
    return request.client_observed_server_side_session_id();
  }
  return "";
}

// Response ids count: "<operation>/<number>".
int NumberAfter(const std::string& response_id) {
  const std::size_t slash = response_id.rfind('/');
  int number = -1;
  if (slash != response_id.npos) {
    std::from_chars(response_id.data() + slash + 1, response_id.data() + response_id.size(), number);
  }
  return number + 1;
}

}  // namespace

template <typename Request, typename Response, typename Act>
grpc::Status SparkService::Unary(const char* method, Context* context, const Request& request, Response* response,
                                 bool may_create, const Act& act) {
  Performance call(stage_, method, *context);
  call.Note(request);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  std::string server_session;
  grpc::Status status = sessions_.Find(KeyOf(request), ObservedBy(request), may_create, &server_session);
  if (!status.ok()) return status;
  response->set_session_id(request.session_id());
  response->set_server_side_session_id(server_session);
  if (status = act(KeyOf(request), server_session); status.ok()) call.CountResponse();
  return status;
}

grpc::Status SparkService::ExecutePlan(Context* context, const ExecutePlanRequest* request, Responses* responses) {
  Performance call(stage_, "ExecutePlan", *context);
  call.Note(*request);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  const SessionKey key = KeyOf(*request);
  std::string server_session;
  grpc::Status status = sessions_.Find(key, ObservedBy(*request), true, &server_session);
  if (!status.ok()) return status;

  Execution execution{call.script().responses, call.script().bytes};
  for (const RequestOption& option : request->request_options()) {
    execution.is_reattachable = execution.is_reattachable || option.reattach_options().reattachable();
  }
  const std::string operation_id = request->has_operation_id() ? request->operation_id() : RandomUuid();
  if (status = sessions_.Start(key, operation_id, execution); !status.ok()) return status;
  status = Send(call, key, operation_id, server_session, execution, 0, responses);
  if (!execution.is_reattachable) sessions_.End(key, operation_id);
  return status;
}

grpc::Status SparkService::ReattachExecute(Context* context, const ReattachExecuteRequest* request,
                                           Responses* responses) {
  Performance call(stage_, "ReattachExecute", *context);
  call.Note(*request);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  const SessionKey key = KeyOf(*request);
  std::string server_session;
  grpc::Status status = sessions_.Find(key, ObservedBy(*request), false, &server_session);
  Execution execution;
  if (status.ok()) status = sessions_.Resume(key, request->operation_id(), &execution);
  if (!status.ok()) return status;
  return Send(call, key, request->operation_id(), server_session, execution, NumberAfter(request->last_response_id()),
              responses);
}

grpc::Status SparkService::Send(Performance& call, const SessionKey& key, const std::string& operation_id,
                                const std::string& server_session, const Execution& execution, int next,
                                Responses* responses) {
  const int cut = execution.is_reattachable ? call.script().cut : 0;
  for (; next <= execution.responses; ++next) {
    if (cut > 0 && call.responses() == cut) return grpc::Status::OK;
    if (grpc::Status status = call.BeforeResponse(); !status.ok()) return status;
    ExecutePlanResponse response;
    response.set_session_id(key.session_id);
    response.set_server_side_session_id(server_session);
    response.set_operation_id(operation_id);
    response.set_response_id(operation_id + "/" + std::to_string(next));
    if (next < execution.responses) {
      response.mutable_arrow_batch()->set_row_count(1);
      response.mutable_arrow_batch()->set_data(std::string(execution.bytes, static_cast<char>('a' + next % 26)));
    } else {
      response.mutable_result_complete();
    }
    if (!responses->Write(response)) return grpc::Status::CANCELLED;
    call.CountResponse();
  }
  return grpc::Status::OK;
}

grpc::Status SparkService::AddArtifacts(Context* context, grpc::ServerReader<AddArtifactsRequest>* requests,
                                        AddArtifactsResponse* response) {
  Performance call(stage_, "AddArtifacts", *context);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  AddArtifactsRequest request;
  bool is_first = true;
  while (requests->Read(&request)) {
    call.Note(request);
    if (!std::exchange(is_first, false)) continue;
    std::string server_session;
    grpc::Status status = sessions_.Find(KeyOf(request), ObservedBy(request), true, &server_session);
    if (!status.ok()) return status;
    response->set_session_id(request.session_id());
    response->set_server_side_session_id(server_session);
  }
  call.CountResponse();
  return grpc::Status::OK;
}

grpc::Status SparkService::AnalyzePlan(Context* context, const AnalyzePlanRequest* request,
                                       AnalyzePlanResponse* response) {
  return Unary("AnalyzePlan", context, *request, response, true, kNothingElse);
}

grpc::Status SparkService::Config(Context* context, const ConfigRequest* request, ConfigResponse* response) {
  return Unary("Config", context, *request, response, true, kNothingElse);
}

grpc::Status SparkService::ArtifactStatus(Context* context, const ArtifactStatusesRequest* request,
                                          ArtifactStatusesResponse* response) {
  return Unary("ArtifactStatus", context, *request, response, true, [&](const SessionKey&, const std::string&) {
    for (const std::string& name : request->names()) (*response->mutable_statuses())[name].set_exists(false);
    return grpc::Status::OK;
  });
}

grpc::Status SparkService::Interrupt(Context* context, const InterruptRequest* request, InterruptResponse* response) {
  return Unary("Interrupt", context, *request, response, true, [&](const SessionKey& key, const std::string&) {
    for (const std::string& id : sessions_.Operations(key)) response->add_interrupted_ids(id);
    return grpc::Status::OK;
  });
}

grpc::Status SparkService::ReleaseExecute(Context* context, const ReleaseExecuteRequest* request,
                                          ReleaseExecuteResponse* response) {
  return Unary("ReleaseExecute", context, *request, response, false, [&](const SessionKey& key, const std::string&) {
    response->set_operation_id(request->operation_id());
    if (request->has_release_all()) sessions_.End(key, request->operation_id());
    return grpc::Status::OK;
  });
}

grpc::Status SparkService::ReleaseSession(Context* context, const ReleaseSessionRequest* request,
                                          ReleaseSessionResponse* response) {
  Performance call(stage_, "ReleaseSession", *context);
  call.Note(*request);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  sessions_.Release(KeyOf(*request), request->allow_reconnect());
  response->set_session_id(request->session_id());
  call.CountResponse();
  return grpc::Status::OK;
}

grpc::Status SparkService::FetchErrorDetails(Context* context, const FetchErrorDetailsRequest* request,
                                             FetchErrorDetailsResponse* response) {
  return Unary("FetchErrorDetails", context, *request, response, true, kNothingElse);
}

grpc::Status SparkService::CloneSession(Context* context, const CloneSessionRequest* request,
                                        CloneSessionResponse* response) {
  return Unary("CloneSession", context, *request, response, false, [&](const SessionKey& key, const std::string&) {
    std::string new_session = request->new_session_id();
    const grpc::Status status = sessions_.Clone(key, &new_session, response->mutable_new_server_side_session_id());
    response->set_new_session_id(new_session);
    return status;
  });
}

grpc::Status SparkService::GetStatus(Context* context, const GetStatusRequest* request, GetStatusResponse* response) {
  return Unary("GetStatus", context, *request, response, false, kNothingElse);
}

}  // namespace sgw::testing
