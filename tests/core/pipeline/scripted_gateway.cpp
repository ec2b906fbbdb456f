#include "tests/core/pipeline/scripted_gateway.h"

namespace sgw::core::testing {
namespace {

std::string PluginsText(std::map<std::string, Script>& scripts) {
  std::string text = "plugins:\n";
  for (const char* name : {"auth1", "auth2", "remembered1", "router1", "router2", "pool1", "pool2", "closed1",
                           "discovery1", "discovery2", "audit1", "audit2"}) {
    std::string library = name;
    library.pop_back();
    text += "  " + std::string(name) + ": {use: scripted_" + library +
            ", script: " + std::to_string(reinterpret_cast<std::uintptr_t>(&scripts[name])) + "}\n";
  }
  return text;
}

}  // namespace

ScriptedGateway::ScriptedGateway(const std::string& pipeline, const std::string& more,
                                 std::shared_ptr<std::map<std::string, Script>> scripts)
    : scripts_(scripts ? std::move(scripts) : std::make_shared<std::map<std::string, Script>>()) {
  services.clock = &clock;
  control.Start();
  workers.Start();
  Complaints complaints("gateway.yaml");
  const std::string text = "listeners: [{address: \"127.0.0.1:0\", open: true}]\nplugin_directories: [" +
                           std::string(SGW_PLUGIN_DIRECTORY) + "]\n" + PluginsText(*scripts_) + "pipeline:\n" +
                           pipeline + more;
  config = ReadConfigText(text, "/", complaints);
  REQUIRE_MESSAGE(!complaints.has_errors(), complaints.Text());
  Complaints own("gateway.yaml");
  InspectedPlugins plugins = InspectPlugins(config, own);
  REQUIRE_MESSAGE(!own.has_errors(), own.Text());
  CheckPipeline(config, plugins, own);
  complaints_ = own.Text();
  if (own.has_errors()) return;
  auto generation = Generation::Create(config, std::move(plugins), services, own);
  REQUIRE_MESSAGE(generation, generation.status().message());
  generation_ = *std::move(generation);
  REQUIRE(generation_->Start(own).ok());
  pipeline_ = std::make_shared<const Pipeline>(config, generation_, metrics);
}

ScriptedGateway::~ScriptedGateway() {
  workers.Stop();
  pipeline_.reset();
  generation_.reset();
  control.Stop();
}

void ScriptedGateway::Settle() {
  // Twice: what one of them does may be for another.
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < workers.size(); ++i) On(i, [] {});
    RunOn(control, [] {});
  }
}

CallFacts FactsFor(const std::string& method, const StringMap& headers) {
  CallFacts facts;
  facts.id = NewCallId();
  facts.traceparent = TraceParent("");
  facts.listener = "test";
  facts.peer_address = "127.0.0.1:1";
  facts.headers = {{":path", "/spark.connect.SparkConnectService/" + method}, {":authority", "gateway:15002"}};
  for (const auto& [name, value] : headers) facts.headers.Add(name, value);
  return facts;
}

}  // namespace sgw::core::testing
