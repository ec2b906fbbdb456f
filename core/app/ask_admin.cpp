#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <sgw/json.h>

#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "core/app/table.h"
#include "core/app/usage.h"
#include "core/config/address.h"
#include "core/config/load.h"
#include "spark_gateway/admin.grpc.pb.h"

namespace sgw::core {
namespace {

namespace api = spark_gateway::admin::v1;
namespace pb = google::protobuf;

std::string Ago(std::int64_t ms) {
  if (ms < 10'000) return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + "s";
  if (ms < 600'000) return std::to_string(ms / 1000) + "s";
  return ms < 36'000'000 ? std::to_string(ms / 60'000) + "m" : std::to_string(ms / 3'600'000) + "h";
}

std::vector<Row> TableOf(const api::ListPluginsResponse& reply) {
  std::vector<Row> rows = {{"INSTANCE", "KIND", "PLUGIN", "ABI", "STATE", "FILE"}};
  for (const auto& p : reply.plugins())
    rows.push_back({p.instance(), p.kind(), p.name(), p.abi(), p.state(), p.file()});
  return rows;
}

std::vector<Row> TableOf(const api::ListSessionsResponse& reply) {
  std::vector<Row> rows = {
      {"SESSION", "SUBJECT", "NAMESPACE", "SERVER", "STATE", "AGE", "IDLE", "STREAMS", "OPERATIONS"}};
  for (const auto& s : reply.sessions()) {
    rows.push_back({s.session_id(), s.subject(), s.namespace_(), s.endpoint(), s.state(), Ago(s.age_ms()),
                    Ago(s.idle_ms()), std::to_string(s.open_streams()), std::to_string(s.operations())});
  }
  return rows;
}

std::vector<Row> TableOf(const api::ListPoolsResponse& reply) {
  std::vector<Row> rows = {{"INSTANCE", "NAMESPACE", "WARM", "LEASED", "STARTING", "TARGET", "FAILURES", "LAST ERROR"}};
  for (const auto& described : reply.pools()) {
    const auto json = Json::Parse(described.json());
    const Json* pools = json ? json->At("/pools") : nullptr;
    if (!pools) continue;
    for (const Json& pool : pools->elements()) {
      Row row = {described.instance(), pool.String("/namespace")};
      for (const char* count : {"/warm", "/leased", "/starting", "/target", "/failures"})
        row.push_back(std::to_string(pool.Integer(count)));
      row.push_back(pool.String("/last_error"));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// Those that a discovery knows, used or not, and then those that have another source, such as a pool.
std::vector<Row> TableOf(const api::ListEndpointsResponse& reply) {
  std::vector<Row> rows = {
      {"ADDRESS", "NAMESPACE", "SOURCE", "STATE", "CONNECTIONS", "STREAMS", "FAILURES", "LAST ERROR"}};
  using Key = std::pair<std::string, std::string>;  // address, incarnation
  std::map<Key, const api::Endpoint*> used;
  for (const auto& e : reply.endpoints()) used.emplace(Key(e.address(), e.incarnation()), &e);
  std::set<Key> known;
  const auto add = [&](const Key& key, const std::string& name_space, const std::string& source) {
    known.insert(key);
    const auto found = used.find(key);
    const api::Endpoint e = found == used.end() ? api::Endpoint() : *found->second;
    rows.push_back({key.first, name_space, source, found == used.end() ? "unused" : e.state(),
                    std::to_string(e.connections()), std::to_string(e.streams()), std::to_string(e.failures()),
                    e.last_error()});
  };
  for (const auto& described : reply.discoveries()) {
    const auto json = Json::Parse(described.json());
    const Json* namespaces = json ? json->At("/namespaces") : nullptr;
    if (!namespaces) continue;
    for (const Json& one : namespaces->elements()) {
      const Json* endpoints = one.At("/endpoints");
      if (!endpoints) continue;
      for (const Json& endpoint : endpoints->elements())
        add({endpoint.String("/address"), endpoint.String("/incarnation")}, one.String("/namespace"),
            described.instance());
    }
  }
  for (const auto& [key, e] : used) {
    if (known.count(key) == 0) add(key, "", "");
  }
  return rows;
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
      const auto text = Json::Parse(line.substr(begin, size));
      if (text && text->as_string() && Json::Parse(*text->as_string()))
        line = line.substr(0, at) + "\"state\": " + *text->as_string() + line.substr(begin + size);
    }
    out += line + "\n";
  }
  return out;
}

std::string JsonOf(const pb::Message& reply) {
  std::string text;
  pb::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  (void)pb::util::MessageToJsonString(reply, &text, options);
  return Unwrapped(text);
}

// A question to the gateway at an address. Each method prints the answer and returns the exit code.
class Client {
 public:
  Client(const std::string& address, bool wants_json) : address_(address), wants_json_(wants_json) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(256 << 20);
    // Not through a proxy that the environment names.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stub_ = api::Admin::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }

  int Plugins() { return List(&api::Admin::Stub::ListPlugins); }
  int Pools() { return List(&api::Admin::Stub::ListPools); }
  int Endpoints() { return List(&api::Admin::Stub::ListEndpoints); }

  int Sessions() {
    const auto reader = stub_->ListSessions(&context_, {});
    api::ListSessionsResponse all;
    for (api::ListSessionsResponse part; reader->Read(&part);) all.MergeFrom(part);
    return Show(reader->Finish(), all);
  }

  int EndSession(const std::string& id, const std::string& subject) {
    api::EndSessionRequest request;
    request.set_session_id(id);
    request.set_subject(subject);
    api::EndSessionResponse reply;
    const grpc::Status status = stub_->EndSession(&context_, request, &reply);
    if (!status.ok()) return Failed(status);
    std::cout << (wants_json_ ? "{}" : "ended " + id) << "\n";
    return 0;
  }

  int Config() {
    api::GetConfigRequest request;
    request.set_json(wants_json_);
    api::GetConfigResponse reply;
    const grpc::Status status = stub_->GetConfig(&context_, request, &reply);
    if (!status.ok()) return Failed(status);
    std::cout << reply.text();
    return 0;
  }

 private:
  template <typename Request, typename Reply>
  int List(grpc::Status (api::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Reply*)) {
    Reply reply;
    const grpc::Status status = (stub_.get()->*method)(&context_, Request(), &reply);
    return Show(status, reply);
  }

  template <typename Reply>
  int Show(const grpc::Status& status, const Reply& reply) {
    if (!status.ok()) return Failed(status);
    if (wants_json_)
      std::cout << JsonOf(reply);
    else
      PrintTable(TableOf(reply));
    return 0;
  }

  int Failed(const grpc::Status& status) {
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      std::cerr
          << "spark-gateway: no gateway answers at " << address_ << " (" << status.error_message()
          << ").\nIs one running, as this user? Name its address with --admin, or its configuration with --config.\n";
    } else {
      std::cerr << "spark-gateway: " << status.error_message() << "\n";
    }
    return 1;
  }

  std::unique_ptr<api::Admin::Stub> stub_;
  grpc::ClientContext context_;
  const std::string address_;
  const bool wants_json_;
};

// Where a gateway that nobody described listens. None: the configuration has errors, and they are said.
std::optional<std::string> AddressFor(const Usage& usage) {
  if (usage.Has("admin")) return usage.Text("admin");
  std::error_code ignored;
  const bool has_default = std::filesystem::exists(kDefaultConfig, ignored);
  if (!usage.Has("config") && !has_default) {
    // `serve --to` leaves its socket where it was started.
    const std::string usual = AdminConfig().address;
    const bool is_beside =
        !std::filesystem::exists(usual.substr(5), ignored) && std::filesystem::exists(kLocalSocket, ignored);
    return is_beside ? std::string("unix:") + kLocalSocket : usual;
  }
  const std::string file = usage.Has("config") ? usage.Text("config") : kDefaultConfig;
  Complaints complaints(file);
  auto address = ReadAdminAddress(file, complaints);
  std::cerr << complaints.Text();
  return address;
}

}  // namespace

int AskAdmin(const std::string& command, const Words& words) {
  static const std::map<std::string, std::pair<const char*, int (Client::*)()>> kCommands = {
      {"plugins", {"lists the plugins of a running gateway", &Client::Plugins}},
      {"sessions", {"lists the sessions of a running gateway, newest first, or ends one", &Client::Sessions}},
      {"pools", {"lists the pools of warm servers of a running gateway", &Client::Pools}},
      {"endpoints", {"lists the servers that a running gateway knows", &Client::Endpoints}},
      {"config", {"prints a running gateway's configuration, defaults filled in and secrets masked", &Client::Config}}};
  const auto& [what, method] = kCommands.at(command);
  const bool is_sessions = command == "sessions";
  Usage usage(command + (is_sessions ? " [end ID]" : ""), what);
  namespace po = boost::program_options;
  usage.Options()("json", "print JSON")("admin", po::value<std::string>(), "the admin API's address")(
      "config,c", po::value<std::string>(), "the gateway's configuration, which has that address");
  if (is_sessions) {
    usage.Options()("subject", po::value<std::string>(), "for `end`: whose, where several users have one of that id");
    usage.TakesWords(2);
    usage.SetNotes(
        "`sessions end ID` ends the session of that id as its idle time would: its client hears that it is closed, "
        "and\n"
        "running operations end. Several users may have a session of one id: --subject says whose is meant.\n");
  }
  if (const auto code = usage.Read(words)) return *code;
  const Words rest = usage.words();
  if (!rest.empty() && (rest.size() != 2 || rest[0] != "end")) return usage.Wrong("write `sessions end ID`");
  if (std::string problem; usage.Has("admin") && !ParseAddress(usage.Text("admin"), problem)) {
    return usage.Wrong("--admin must be host:port or unix:/path (" + problem + "), not '" + usage.Text("admin") + "'");
  }
  const auto address = AddressFor(usage);
  if (!address) return 2;
  Client client(*address, usage.Has("json"));
  return rest.empty() ? (client.*method)() : client.EndSession(rest[1], usage.Text("subject"));
}

}  // namespace sgw::core
