#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <sgw/json.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>

#include "core/app/commands.h"
#include "core/config/load.h"
#include "core/config/units.h"
#include "spark_gateway/admin.grpc.pb.h"

namespace sgw::core {
namespace {

namespace po = boost::program_options;
namespace api = spark_gateway::admin::v1;
using Row = std::vector<std::string>;

void PrintTable(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << line << "\n";
  }
}

std::string Ago(std::int64_t ms) {
  if (ms < 10'000) return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + "s";
  if (ms < 600'000) return std::to_string(ms / 1000) + "s";
  return ms < 36'000'000 ? std::to_string(ms / 60'000) + "m" : std::to_string(ms / 3'600'000) + "h";
}

std::string Number(const Json& json, const std::string& pointer) { return std::to_string(json.Integer(pointer)); }

class Client {
 public:
  Client(const std::string& address, bool wants_json)
      : stub_(api::Admin::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        address_(address),
        wants_json_(wants_json) {}

  int Plugins() {
    api::ListPluginsResponse reply;
    if (!Ask(&api::Admin::Stub::ListPlugins, api::ListPluginsRequest(), reply)) return code_;
    std::vector<Row> rows = {{"INSTANCE", "KIND", "PLUGIN", "ABI", "STATE", "FILE"}};
    for (const auto& p : reply.plugins())
      rows.push_back({p.instance(), p.kind(), p.name(), p.abi(), p.state(), p.file()});
    PrintTable(rows);
    return 0;
  }

  int Sessions() {
    api::ListSessionsResponse reply;
    if (!Ask(&api::Admin::Stub::ListSessions, api::ListSessionsRequest(), reply)) return code_;
    std::vector<Row> rows = {
        {"SESSION", "SUBJECT", "NAMESPACE", "SERVER", "STATE", "AGE", "IDLE", "STREAMS", "OPERATIONS"}};
    for (const auto& s : reply.sessions()) {
      rows.push_back({s.session_id(), s.subject(), s.namespace_(), s.endpoint(), s.state(), Ago(s.age_ms()),
                      Ago(s.idle_ms()), std::to_string(s.open_streams()), std::to_string(s.operations())});
    }
    PrintTable(rows);
    return 0;
  }

  int EndSession(const std::string& id, const std::string& subject) {
    api::EndSessionRequest request;
    request.set_session_id(id);
    request.set_subject(subject);
    api::EndSessionResponse reply;
    if (!Ask(&api::Admin::Stub::EndSession, request, reply)) return code_;
    std::cout << "ended " << id << "\n";
    return 0;
  }

  int Pools() {
    api::ListPoolsResponse reply;
    if (!Ask(&api::Admin::Stub::ListPools, api::ListPoolsRequest(), reply)) return code_;
    std::vector<Row> rows = {
        {"INSTANCE", "NAMESPACE", "WARM", "LEASED", "STARTING", "TARGET", "FAILURES", "LAST ERROR"}};
    for (const auto& described : reply.pools()) {
      const auto json = Json::Parse(described.json());
      const Json* pools = json ? json->At("/pools") : nullptr;
      if (!pools) continue;
      for (const Json& pool : pools->elements()) {
        rows.push_back({described.instance(), pool.String("/namespace"), Number(pool, "/warm"), Number(pool, "/leased"),
                        Number(pool, "/starting"), Number(pool, "/target"), Number(pool, "/failures"),
                        pool.String("/last_error")});
      }
    }
    PrintTable(rows);
    return 0;
  }

  int Endpoints() {
    api::ListEndpointsResponse reply;
    if (!Ask(&api::Admin::Stub::ListEndpoints, api::ListEndpointsRequest(), reply)) return code_;
    std::vector<Row> rows = {{"ADDRESS", "STATE", "CONNECTIONS", "STREAMS", "FAILURES"}};
    for (const auto& e : reply.endpoints()) {
      rows.push_back({e.address(), e.state(), std::to_string(e.connections()), std::to_string(e.streams()),
                      std::to_string(e.failures())});
    }
    PrintTable(rows);
    return 0;
  }

  int Config() {
    api::GetConfigResponse reply;
    api::GetConfigRequest request;
    grpc::ClientContext context;
    if (!Check(stub_->GetConfig(&context, request, &reply))) return code_;
    std::cout << reply.text() << "\n";
    return 0;
  }

 private:
  // True: the reply is to be shown as a table.
  template <typename Request, typename Reply>
  bool Ask(grpc::Status (api::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
           const Request& request, Reply& reply) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    if (!Check((stub_.get()->*method)(&context, request, &reply))) return false;
    if (!wants_json_) return true;
    std::string text;
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = true;
    options.always_print_primitive_fields = true;
    options.preserve_proto_field_names = true;
    (void)google::protobuf::util::MessageToJsonString(reply, &text, options);
    std::cout << text;
    code_ = 0;
    return false;
  }

  bool Check(const grpc::Status& status) {
    if (status.ok()) return true;
    code_ = 1;
    std::cerr << "spark-gateway: " << status.error_message();
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
      std::cerr << "\nIs a gateway running with admin.address " << address_
                << "? Name another one with --admin or --config.";
    std::cerr << "\n";
    return false;
  }

  const std::unique_ptr<api::Admin::Stub> stub_;
  const std::string address_;
  const bool wants_json_;
  int code_ = 1;
};

}  // namespace

int AskAdmin(const std::string& command, const Words& words) {
  po::options_description options("spark-gateway " + command + ": asks a running gateway.\n\nOptions");
  options.add_options()("help,h", "say this")("json", "print JSON")(
      "admin", po::value<std::string>(), "the admin API's address")("config,c", po::value<std::string>(),
                                                                    "a configuration that has it")(
      "subject", po::value<std::string>()->default_value(""), "whose session, where several users have one of that id")(
      "words", po::value<Words>(), "for sessions: `end ID` ends one");
  po::positional_options_description positional;
  positional.add("words", -1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(words).options(options).positional(positional).run(), values);
  } catch (const po::error& error) {
    std::cerr << "spark-gateway " << command << ": " << error.what() << "\n" << options;
    return 2;
  }
  if (values.count("help")) {
    std::cout << options;
    return 0;
  }
  std::string address = AdminConfig().address;
  if (values.count("admin")) {
    address = values["admin"].as<std::string>();
  } else if (values.count("config")) {
    Complaints complaints(values["config"].as<std::string>());
    const auto config = LoadConfig(values["config"].as<std::string>(), complaints);
    if (!config) {
      std::cerr << complaints.Text();
      return 2;
    }
    address = config->admin.address;
  }
  Client client(address, values.count("json") != 0);
  const Words rest = values.count("words") ? values["words"].as<Words>() : Words();
  if (command == "sessions" && rest.size() == 2 && rest[0] == "end") {
    return client.EndSession(rest[1], values["subject"].as<std::string>());
  }
  if (!rest.empty()) {
    std::cerr << "spark-gateway " << command << ": what is '" << rest[0] << "'?\n" << options;
    return 2;
  }
  if (command == "plugins") return client.Plugins();
  if (command == "sessions") return client.Sessions();
  if (command == "pools") return client.Pools();
  if (command == "endpoints") return client.Endpoints();
  return client.Config();
}

}  // namespace sgw::core
