// Everything between a listener and a driver, for tests: real plugins, pipeline, sessions, relay and listener.
#pragma once

#include <sgw/testing/temp_dir.h>

#include <fstream>
#include <sstream>

#include "core/config/load.h"
#include "core/relay/front_door.h"
#include "tests/core/http2/pair.h"

namespace sgw::core::testing {

inline const std::string kSession = "00112233-4455-6677-8899-aabbccddeeff";

// A short field of strings; numbers below 16.
inline std::string Field(int number, const std::string& value) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(value.size())} + value;
}
inline std::string Request(const std::string& user, const std::string& more = "") {
  return Framed(Field(1, kSession) + Field(2, Field(1, user)) + more);
}

class GatewayRig {
 public:
  struct Options {
    bool has_auth = true;
    bool has_audit = false;
    std::string driver_token;
    std::vector<std::string> more_drivers;
  };

  explicit GatewayRig(Pair::ServeFn serve) : GatewayRig(std::move(serve), Options{}) {}
  GatewayRig(Pair::ServeFn serve, const Options& options) : driver(std::move(serve)) {
    control_.Start();
    services_ = std::make_unique<HostServices>(metrics, control_, nullptr);
    BuildPipeline(options);
    auto sessions_or = options.has_auth ? Sessions::Create(config_, pipeline_, table, *services_)
                                        : Result<std::unique_ptr<Sessions>>(std::unique_ptr<Sessions>());
    REQUIRE(sessions_or);
    sessions = *std::move(sessions_or);
    pools_ = std::make_unique<UpstreamPools>(workers_, table, UpstreamOptions{});
    relay = std::make_unique<Relay>(workers_, *pools_, Relay::Setup{pipeline_, sessions.get(), metrics});
    door = std::make_unique<FrontDoor>(workers_, *relay, ConnectionOptions{}, 100);
    const auto bound = door->Listen({"test", "127.0.0.1:0", nullptr});
    REQUIRE(bound);
    address = *bound;
    workers_.Start();
    client_worker_.Start();
    door->Start();
    client = Connect();
  }
  ~GatewayRig() {
    OnClient([this] { client->Close(); });
    OnClient([this] { client.reset(); });
    relay->GiveUp();
    door->Close();
    workers_.Stop();
    client_worker_.Stop();
    door.reset();
    relay.reset();
    pools_.reset();
    if (sessions) sessions->Stop();
    sessions.reset();
    generation_->Stop();
    pipeline_.reset();
    generation_.reset();
    control_.Stop();
    services_.reset();
  }

  std::shared_ptr<ClientConnection> Connect() {
    std::promise<Status> ready;
    std::shared_ptr<ClientConnection> made;
    OnClient([&] {
      made = ClientConnection::Connect(
          client_worker_,
          {{}, address, std::chrono::seconds(5), [&](const Status& status) { ready.set_value(status); }, {}, {}});
    });
    REQUIRE(ready.get_future().get().ok());
    return made;
  }

  // Opens a stream of the client's and sends these bytes and, perhaps, the end.
  void Call(Recorder& recorder, std::string path, const std::string& token, const std::string& bytes,
            bool is_end = true, std::vector<HeaderField> more = {}) {
    if (path.front() != '/') path = "/spark.connect.SparkConnectService/" + path;
    const std::string bearer = "Bearer " + token;
    OnClient([&] {
      HeaderBlock head{{":method", "POST"},  {":scheme", "http"}, {":path", path},
                       {":authority", "gw"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
      if (!token.empty()) head.Add("authorization", bearer);
      for (const auto& field : more) head.Add(field.name, field.value);
      recorder.stream = client->Open(head, false, recorder);
      REQUIRE(recorder.stream);
      if (!bytes.empty()) recorder.stream->SendData(Piece::Copy(bytes));
      if (is_end) recorder.stream->SendEnd();
    });
  }
  // The code of a call that ended.
  static std::string CodeOf(Recorder& call) {
    REQUIRE(call.WaitFor([&] { return call.is_closed; }));
    return std::string((call.trailers.Find("grpc-status") ? call.trailers : call.headers).Get("grpc-status"));
  }
  static std::string MessageOf(Recorder& call) {
    return std::string((call.trailers.Find("grpc-message") ? call.trailers : call.headers).Get("grpc-message"));
  }
  void OnClient(const std::function<void()>& function) { RunOn(client_worker_, function); }
  // The lines of the audit, or of its ids, once there are that many.
  std::vector<std::string> Audit(std::size_t count, const std::string& of = "") {
    std::vector<std::string> lines;
    for (int i = 0; lines.size() < count && i < 100'000; ++i) {
      lines.clear();
      std::ifstream file(folder_.path() + "/audit" + of);
      for (std::string line; std::getline(file, line);) lines.push_back(line);
      RunOn(workers_[0], [] {});
    }
    return lines;
  }

  Pair driver;
  MetricsRegistry metrics;
  EndpointTable table;
  std::unique_ptr<Sessions> sessions;
  std::unique_ptr<Relay> relay;
  std::unique_ptr<FrontDoor> door;
  std::string address;
  std::shared_ptr<ClientConnection> client;

 private:
  void BuildPipeline(const Options& options) {
    std::ostringstream text;
    text << "listeners: [{address: '127.0.0.1:0', open: true}]\nplugin_directories: [" SGW_TEST_PLUGINS "]\nplugins:\n";
    text << "  servers: {use: relay_test_discovery, addresses: ['" << driver.address << "'";
    for (const auto& more : options.more_drivers) text << ", '" << more << "'";
    text << "], token: '" << options.driver_token << "'}\n";
    if (options.has_auth) text << "  people: {use: relay_test_auth}\n";
    if (options.has_audit) text << "  trail: {use: relay_test_audit, path: " << folder_.path() << "/audit}\n";
    text << "pipeline:\n";
    if (options.has_auth) text << "  - auth: people\n";
    text << "  - discovery: servers\n";
    if (options.has_audit) text << "  - audit: trail\n";
    Complaints complaints("test.yaml");
    config_ = ReadConfigText(text.str(), folder_.path(), complaints);
    REQUIRE_MESSAGE(!complaints.has_errors(), complaints.Text());
    InspectedPlugins plugins = InspectPlugins(config_, complaints);
    INFO(complaints.Text());
    auto generation = Generation::Create(config_, std::move(plugins), *services_, complaints);
    REQUIRE(generation);
    generation_ = *generation;
    REQUIRE(generation_->Start(complaints).ok());
    pipeline_ = std::make_shared<const Pipeline>(config_, generation_, metrics);
  }

  const sgw::testing::TempDir folder_;
  Config config_;
  Worker control_{"control"};
  Worker client_worker_{"client"};
  WorkerPool workers_{2};
  std::unique_ptr<HostServices> services_;
  std::shared_ptr<Generation> generation_;
  std::shared_ptr<const Pipeline> pipeline_;
  std::unique_ptr<UpstreamPools> pools_;
};

}  // namespace sgw::core::testing
