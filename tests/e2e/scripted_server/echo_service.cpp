#include "tests/e2e/scripted_server/echo_service.h"

namespace sgw::testing {
namespace {

// A client sees its own metadata again: `x-echo` as initial ones, `x-echo-trailer` and `x-echo-bin` as trailing ones.
void EchoMetadata(grpc::ServerContext& context) {
  for (const auto& [name, value] : context.client_metadata()) {
    const std::string text(value.data(), value.size());
    if (name == "x-echo") context.AddInitialMetadata("x-echo", text);
    if (name == "x-echo-trailer") context.AddTrailingMetadata("x-echo-trailer", text);
    if (name == "x-echo-bin") context.AddTrailingMetadata("x-echo-bin", text);
  }
}

void Note(Performance& call, const EchoMessage& message) {
  call.Update([&](RecordedRequest& record) {
    ++record.messages;
    record.bytes += message.payload().size();
  });
}

}  // namespace

grpc::Status EchoService::Unary(grpc::ServerContext* context, const EchoMessage* request, EchoMessage* response) {
  Performance call(stage_, "Echo.Unary", *context);
  Note(call, *request);
  EchoMetadata(*context);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  *response = *request;
  call.CountResponse();
  return grpc::Status::OK;
}

grpc::Status EchoService::ClientStream(grpc::ServerContext* context, grpc::ServerReader<EchoMessage>* requests,
                                       EchoMessage* response) {
  Performance call(stage_, "Echo.ClientStream", *context);
  EchoMetadata(*context);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  EchoMessage message;
  while (requests->Read(&message)) {
    Note(call, message);
    response->mutable_payload()->append(message.payload());
  }
  call.CountResponse();
  return grpc::Status::OK;
}

grpc::Status EchoService::ServerStream(grpc::ServerContext* context, const EchoMessage* request,
                                       grpc::ServerWriter<EchoMessage>* responses) {
  Performance call(stage_, "Echo.ServerStream", *context);
  Note(call, *request);
  EchoMetadata(*context);
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  while (call.responses() < call.script().responses) {
    if (grpc::Status status = call.BeforeResponse(); !status.ok()) return status;
    if (!responses->Write(*request)) return grpc::Status::CANCELLED;
    call.CountResponse();
  }
  return grpc::Status::OK;
}

grpc::Status EchoService::Bidirectional(grpc::ServerContext* context,
                                        grpc::ServerReaderWriter<EchoMessage, EchoMessage>* stream) {
  Performance call(stage_, "Echo.Bidirectional", *context);
  EchoMetadata(*context);
  // This server speaks first.
  stream->SendInitialMetadata();
  if (grpc::Status status = call.Begin(); !status.ok()) return status;
  EchoMessage message;
  while (stream->Read(&message)) {
    Note(call, message);
    if (grpc::Status status = call.BeforeResponse(); !status.ok()) return status;
    if (!stream->Write(message)) return grpc::Status::CANCELLED;
    call.CountResponse();
  }
  return grpc::Status::OK;
}

}  // namespace sgw::testing
