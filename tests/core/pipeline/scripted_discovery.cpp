#include "tests/core/pipeline/script.h"

using namespace sgw;
using namespace sgw::testing;

class ScriptedDiscovery : public Discovery {
 public:
  ScriptedDiscovery(const ScriptSettings& settings, Host& host) : script_(settings.get(host)) {}
  DiscoveryAnswer Resolve(const DiscoveryCall& call) override { return script_.resolve(call); }

 private:
  Script& script_;
};

SGW_DISCOVERY("scripted_discovery", ScriptedDiscovery, ScriptSettings)
