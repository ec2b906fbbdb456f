#include "core/admin/admin_client.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <sgw/json.h>

#include <chrono>
#include <sstream>

#include "spark_gateway/admin.grpc.pb.h"

namespace sgw::core {
namespace {

namespace api = spark_gateway::admin::v1;
namespace pb = google::protobuf;
using std::chrono::milliseconds;

struct Context : grpc::ClientContext {
  Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30)); }
};

Status StatusOf(const grpc::Status& status) {
  return {static_cast<StatusCode>(status.error_code()), status.error_message()};
}

PluginView ViewOf(const api::Plugin& p) {
  return {
      p.instance(), p.name(), p.kind(), p.file(), p.abi(), p.sdk(), {p.capabilities().begin(), p.capabilities().end()},
      p.state()};
}

SessionView ViewOf(const api::Session& s) {
  SessionView view;
  view.session_id = s.session_id();
  view.subject = s.subject();
  view.realm = s.realm();
  view.namespace_ = s.namespace_();
  view.endpoint = s.endpoint();
  view.state = s.state();
  view.lease_id = s.lease_id();
  view.source = s.source();
  view.age = milliseconds(s.age_ms());
  view.idle = milliseconds(s.idle_ms());
  view.open_streams = static_cast<int>(s.open_streams());
  view.operations = static_cast<std::size_t>(s.operations());
  return view;
}

EndpointView ViewOf(const api::Endpoint& e) {
  return {e.address(),
          e.incarnation(),
          e.state(),
          static_cast<int>(e.connections()),
          static_cast<int>(e.streams()),
          static_cast<std::uint64_t>(e.failures()),
          e.last_error()};
}

DescribedView ViewOf(const api::Described& d) { return {d.instance(), d.json()}; }

template <typename Messages>
auto ViewsOf(const Messages& messages) {
  std::vector<decltype(ViewOf(messages[0]))> views;
  for (const auto& one : messages) views.push_back(ViewOf(one));
  return views;
}

// What a plugin says of itself is JSON, which the reply has as a text: the same JSON without that wrapping.
std::string Unwrapped(const std::string& json) {
  constexpr std::string_view kKey = "\"json\": ";
  std::string out;
  std::istringstream lines(json);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find_first_not_of(' ');
    if (at != std::string::npos && line.compare(at, kKey.size(), kKey) == 0) {
      const std::size_t begin = at + kKey.size();
      const std::size_t size = line.rfind('"') + 1 - begin;
      const auto text = sgw::Json::Parse(line.substr(begin, size));
      if (text && text->as_string() && sgw::Json::Parse(*text->as_string()))
        line = line.substr(0, at) + "\"state\": " + *text->as_string() + line.substr(begin + size);
    }
    out += line + "\n";
  }
  return out;
}

Result<std::string> JsonOf(const Status& status, const pb::Message& reply) {
  if (!status.ok()) return status;
  std::string text;
  pb::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  (void)pb::util::MessageToJsonString(reply, &text, options);
  return Unwrapped(text);
}

}  // namespace

struct AdminClient::Impl {
  explicit Impl(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(256 << 20);
    // Not through a proxy that the environment names.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stub = api::Admin::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }

  template <typename Request, typename Reply>
  Status Ask(grpc::Status (api::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Reply*), Reply& reply,
             const Request& request = {}) {
    Context context;
    return StatusOf((stub.get()->*method)(&context, request, &reply));
  }

  Status Ask(api::ListPluginsResponse& reply) { return Ask(&api::Admin::Stub::ListPlugins, reply); }
  Status Ask(api::ListPoolsResponse& reply) { return Ask(&api::Admin::Stub::ListPools, reply); }
  Status Ask(api::ListEndpointsResponse& reply) { return Ask(&api::Admin::Stub::ListEndpoints, reply); }
  Status Ask(api::ListSessionsResponse& reply) {
    Context context;
    const auto reader = stub->ListSessions(&context, {});
    for (api::ListSessionsResponse part; reader->Read(&part);) reply.MergeFrom(part);
    return StatusOf(reader->Finish());
  }

  template <typename Reply>
  Result<std::string> Json() {
    Reply reply;
    return JsonOf(Ask(reply), reply);
  }

  std::unique_ptr<api::Admin::Stub> stub;
};

AdminClient::AdminClient(const std::string& address) : impl_(std::make_unique<Impl>(address)) {}

AdminClient::~AdminClient() = default;

Result<std::vector<PluginView>> AdminClient::ListPlugins() {
  api::ListPluginsResponse reply;
  if (Status status = impl_->Ask(reply); !status.ok()) return status;
  return ViewsOf(reply.plugins());
}

Result<std::vector<SessionView>> AdminClient::ListSessions() {
  api::ListSessionsResponse reply;
  if (Status status = impl_->Ask(reply); !status.ok()) return status;
  return ViewsOf(reply.sessions());
}

Result<std::vector<DescribedView>> AdminClient::ListPools() {
  api::ListPoolsResponse reply;
  if (Status status = impl_->Ask(reply); !status.ok()) return status;
  return ViewsOf(reply.pools());
}

Result<AdminClient::Endpoints> AdminClient::ListEndpoints() {
  api::ListEndpointsResponse reply;
  if (Status status = impl_->Ask(reply); !status.ok()) return status;
  return Endpoints{ViewsOf(reply.endpoints()), ViewsOf(reply.discoveries())};
}

Result<std::string> AdminClient::Json(List list) {
  switch (list) {
    case List::kPlugins: return impl_->Json<api::ListPluginsResponse>();
    case List::kSessions: return impl_->Json<api::ListSessionsResponse>();
    case List::kPools: return impl_->Json<api::ListPoolsResponse>();
    case List::kEndpoints: break;
  }
  return impl_->Json<api::ListEndpointsResponse>();
}

Status AdminClient::EndSession(const SessionName& name) {
  api::EndSessionRequest request;
  request.set_session_id(name.session_id);
  request.set_subject(name.subject);
  request.set_realm(name.realm);
  api::EndSessionResponse reply;
  return impl_->Ask(&api::Admin::Stub::EndSession, reply, request);
}

Result<std::string> AdminClient::EffectiveConfig(bool as_json) {
  api::GetConfigRequest request;
  request.set_json(as_json);
  api::GetConfigResponse reply;
  if (Status status = impl_->Ask(&api::Admin::Stub::GetConfig, reply, request); !status.ok()) return status;
  return reply.text();
}

}  // namespace sgw::core
