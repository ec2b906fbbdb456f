#include "core/admin/admin_server.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/worker/acceptor.h"
#include "spark_gateway/admin.grpc.pb.h"

namespace sgw::core {
namespace {

namespace api = spark_gateway::admin::v1;
using grpc::ServerContext;

constexpr int kMaxThreads = 16;

class Service final : public api::Admin::Service {
 public:
  explicit Service(AdminBackend& backend) : backend_(backend) {}

  grpc::Status ListPlugins(ServerContext*, const api::ListPluginsRequest*, api::ListPluginsResponse* out) override {
    for (const PluginView& view : backend_.ListPlugins()) {
      auto* plugin = out->add_plugins();
      plugin->set_instance(view.instance);
      plugin->set_name(view.name);
      plugin->set_kind(view.kind);
      plugin->set_file(view.file);
      plugin->set_abi(view.abi);
      plugin->set_sdk(view.sdk);
      for (const auto& one : view.capabilities) plugin->add_capabilities(one);
      plugin->set_state(view.state);
    }
    return grpc::Status::OK;
  }

  grpc::Status ListSessions(ServerContext* context, const api::ListSessionsRequest*,
                            grpc::ServerWriter<api::ListSessionsResponse>* out) override {
    constexpr int kMost = 500;  // of one response, so that none comes near the size that gRPC refuses
    api::ListSessionsResponse part;
    for (const SessionView& view : backend_.ListSessions()) {
      if (part.sessions_size() == kMost) {
        if (context->IsCancelled() || !out->Write(part)) return grpc::Status::CANCELLED;
        part.Clear();
      }
      auto* session = part.add_sessions();
      session->set_session_id(view.session_id);
      session->set_subject(view.subject);
      session->set_realm(view.realm);
      session->set_namespace_(view.namespace_);
      session->set_endpoint(view.endpoint);
      session->set_state(view.state);
      session->set_age_ms(view.age.count());
      session->set_idle_ms(view.idle.count());
      session->set_open_streams(view.open_streams);
      session->set_operations(static_cast<std::int64_t>(view.operations));
      session->set_lease_id(view.lease_id);
      session->set_source(view.source);
    }
    out->Write(part);
    return grpc::Status::OK;
  }

  grpc::Status EndSession(ServerContext*, const api::EndSessionRequest* in, api::EndSessionResponse*) override {
    const Status status = backend_.EndSession({in->session_id(), in->subject(), in->realm()});
    return {static_cast<grpc::StatusCode>(status.code()), status.message()};
  }

  grpc::Status ListPools(ServerContext*, const api::ListPoolsRequest*, api::ListPoolsResponse* out) override {
    for (const DescribedView& view : backend_.DescribePools()) Add(out->add_pools(), view);
    return grpc::Status::OK;
  }

  grpc::Status ListEndpoints(ServerContext*, const api::ListEndpointsRequest*,
                             api::ListEndpointsResponse* out) override {
    for (const EndpointView& view : backend_.ListEndpoints()) {
      auto* endpoint = out->add_endpoints();
      endpoint->set_address(view.address);
      endpoint->set_incarnation(view.incarnation);
      endpoint->set_state(view.state);
      endpoint->set_connections(view.connections);
      endpoint->set_streams(view.streams);
      endpoint->set_failures(static_cast<std::int64_t>(view.failures));
      endpoint->set_last_error(view.last_error);
    }
    for (const DescribedView& view : backend_.DescribeDiscoveries()) Add(out->add_discoveries(), view);
    return grpc::Status::OK;
  }

  grpc::Status GetConfig(ServerContext*, const api::GetConfigRequest* in, api::GetConfigResponse* out) override {
    out->set_text(backend_.EffectiveConfig(in->json()));
    return grpc::Status::OK;
  }

 private:
  static void Add(api::Described* out, const DescribedView& view) {
    out->set_instance(view.instance);
    out->set_json(view.json);
  }

  AdminBackend& backend_;
};

Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  return error ? FailedPrecondition("cannot make " + folder.string() + ": " + error.message()) : Status();
}

// The library gives no reason; the system does.
std::string WhyNot(const std::string& address) {
  const Result<int> fd = ListenOn(address);
  if (!fd) return fd.status().message();
  close(*fd);
  if (address.rfind("unix:", 0) == 0) unlink(address.c_str() + 5);
  return "cannot listen on " + address;
}

}  // namespace

struct AdminServer::Impl {
  explicit Impl(AdminBackend& backend) : service(backend) {}
  Service service;
  std::unique_ptr<grpc::Server> server;
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() { impl_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1)); }

Result<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& address, AdminBackend& backend) {
  if (address.rfind("unix:", 0) == 0) {
    const std::string path = address.substr(5);
    Status status = MakeFolder(std::filesystem::path(path).parent_path());
    if (status.ok()) status = MakeWay(path);
    if (!status.ok()) return FailedPrecondition("admin.address: " + status.message());
  }
  // The library's own lines are none of an operator's log.
  gpr_set_log_function([](gpr_log_func_args* line) { spdlog::debug("grpc: {}", line->message); });
  auto impl = std::make_unique<Impl>(backend);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  // Else a second gateway would share a port with the first.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Each question has a thread; who opens hundreds gets RESOURCE_EXHAUSTED.
  grpc::ResourceQuota quota("admin");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.RegisterService(&impl->service);
  // Who may reach the socket may end sessions: it is made for its owner alone.
  const mode_t before = umask(0177);
  impl->server = builder.BuildAndStart();
  umask(before);
  if (!impl->server) return FailedPrecondition("admin.address: " + WhyNot(address));
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

}  // namespace sgw::core
