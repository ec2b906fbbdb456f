// bench-pipeline: what the pipeline alone costs a call of a bound session: six stock plugins, no sockets.
//
//     bench-pipeline [--calls N]
//
// Each call is authenticated, finds its session, and is recorded, as core/relay does it. The CPU time is that of the
// worker's thread: threads of observers do not count. Prints the median of nine rounds as JSON.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>
#include <string>

#include "core/app/load_all.h"
#include "core/connect/first_fields.h"
#include "core/pipeline/records.h"
#include "core/session/sessions.h"

namespace sgw::bench {

namespace {

using namespace sgw::core;

constexpr int kRounds = 9;
constexpr const char* kToken = "sgw_pipeline-benchmark";
constexpr const char* kTokenSha256 = "618e4f027a534abb3f3ce6a79f7a66bd3e6ca136f5101fb0c4781f456afec7de";
constexpr const char* kSession = "11111111-1111-4111-8111-111111111111";
constexpr const char* kConfiguration = R"(
listeners: [{address: "127.0.0.1:0"}]
plugins:
  services: {use: auth_token, path: tokens.yaml}
  tenants: {use: router_headers}
  warm: {use: hot_pool_process, size: 0, max_size: 1, namespaces: [sjns-others-dev], command: ["false"]}
  drivers: {use: discovery_static, namespaces: {sjns-ads-prod: ["127.0.0.1:1"]}}
  trail: {use: audit_jsonl, path: audit.jsonl}
  meters: {use: metrics_prometheus}
pipeline: [{auth: services}, {router: tenants}, {hot-pool: warm}, {discovery: drivers}, {audit: trail}, {metrics: meters}]
)";

void Must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

FirstFields FieldsOf(const char* session_id) {
  FirstFields fields;
  fields.session_id = session_id;
  return fields;
}

// The rooms from the pipeline to the sessions, as core/app builds them.
class Rooms {
 public:
  explicit Rooms(Loaded loaded) : config_(std::move(loaded.config)) {
    control_.Start();
    workers_.Start();
    Complaints complaints(config_.file);
    auto generation = Generation::Create(config_, std::move(loaded.plugins), services_, complaints);
    Must(generation.status());
    generation_ = *std::move(generation);
    pipeline_ = std::make_shared<const Pipeline>(config_, generation_, metrics_);
    auto sessions = Sessions::Create(config_, pipeline_, endpoints_, services_);
    Must(sessions.status());
    sessions_ = *std::move(sessions);
    Must(generation_->Start(complaints));
    sessions_->Restore();
  }
  ~Rooms() {
    sessions_->Stop();
    workers_.Stop();
    sessions_.reset();
    pipeline_.reset();
    generation_.reset();
    control_.Stop();
  }

  // The session's first call, which may wait for its server.
  void Bind() {
    CallContext context;
    std::unique_ptr<sgw::core::Run> placing;
    std::promise<Status> placed;
    workers_[0].Post([&] {
      Authenticate(context);
      placing = Place(context, [&](Result<Placement> placement) {
        if (placement) placement->ticket->Finished({.code = StatusCode::kOk, .is_driver_answer = true});
        placed.set_value(placement.status());
      });
    });
    Must(placed.get_future().get());
    Run([&] { placing.reset(); });
  }

  // Runs on the worker and returns the CPU seconds of its thread.
  template <typename Work>
  double Run(Work work) {
    std::promise<double> spent;
    workers_[0].Post([&] {
      const double start = ThreadSeconds();
      work();
      spent.set_value(ThreadSeconds() - start);
    });
    return spent.get_future().get();
  }

  // One call of the bound session, from its head to its record. On the worker.
  void One() {
    CallContext context;
    Authenticate(context);
    std::shared_ptr<SessionTicket> ticket;
    const auto placing = Place(context, [&](Result<Placement> placement) { ticket = placement->ticket; });
    if (!ticket) throw std::runtime_error("a call of a bound session was not placed in line");
    RecordOf record(SGW_RECORD_CALL_ENDED, context);
    pipeline_->Record(record.raw());
    ticket->Finished({.code = StatusCode::kOk, .is_driver_answer = true});
  }

 private:
  void Authenticate(CallContext& context) const {
    context.remembered = connection_;
    context.facts->received = std::chrono::system_clock::now();
    context.facts->headers = {{":method", "POST"},
                              {":path", "/spark.connect.SparkConnectService/Config"},
                              {":authority", "gateway:15002"},
                              {"authorization", kBearer},
                              {"x-spark-team", "ads"},
                              {"x-spark-environment", "prod"}};
    const auto asking = pipeline_->Authenticate(context, [](const Status& status) { Must(status); });
    Must(FillClaim(context.identity, "somebody"));
  }

  template <typename Done>
  std::unique_ptr<sgw::core::Run> Place(CallContext& context, Done done) {
    return sessions_->Place(context, fields_, FactsOf(context.facts->method()), std::move(done));
  }

  const std::shared_ptr<Remembered> connection_ = std::make_shared<Remembered>();
  const FirstFields fields_ = FieldsOf(kSession);
  const std::string kBearer = std::string("Bearer ") + kToken;
  const Config config_;
  MetricsRegistry metrics_;
  Worker control_{"control"};
  HostServices services_{metrics_, control_, nullptr};
  EndpointTable endpoints_;
  WorkerPool workers_{1};
  std::shared_ptr<Generation> generation_;
  std::shared_ptr<const Pipeline> pipeline_;
  std::unique_ptr<Sessions> sessions_;
};

int Measure(int calls) {
  std::string folder = (std::filesystem::temp_directory_path() / "bench-pipeline-XXXXXX").string();
  if (!mkdtemp(folder.data())) throw std::runtime_error("no temporary folder");
  std::ofstream(folder + "/gateway.yaml") << kConfiguration;
  std::ofstream(folder + "/tokens.yaml") << "- {sha256: " << kTokenSha256 << ", subject: ci, groups: [ads]}\n";
  std::array<double, kRounds> rounds{};
  {
    Complaints complaints(folder + "/gateway.yaml");
    Loaded loaded = LoadAll(complaints.file(), complaints);
    std::fputs(complaints.Text().c_str(), stderr);
    if (complaints.has_errors()) return 1;
    Rooms rooms(std::move(loaded));
    rooms.Bind();
    const auto all = [&rooms, calls] {
      for (int i = 0; i < calls; ++i) rooms.One();
    };
    rooms.Run(all);
    for (double& round : rounds) round = rooms.Run(all) / calls * 1e6;
  }
  std::filesystem::remove_all(folder);
  std::sort(rounds.begin(), rounds.end());
  std::printf("{\"cpu_us_per_call\": %.3f, \"low\": %.3f, \"high\": %.3f}\n", rounds[kRounds / 2], rounds.front(),
              rounds.back());
  return 0;
}

}  // namespace

}  // namespace sgw::bench

int main(int count, char** arguments) {
  const bool has_calls = count == 3 && std::string_view(arguments[1]) == "--calls";
  try {
    return sgw::bench::Measure(has_calls ? std::atoi(arguments[2]) : 20'000);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-pipeline: %s\n", error.what());
    return 1;
  }
}
