#include "tests/core/pipeline/script.h"

using namespace sgw;
using namespace sgw::testing;

class ScriptedRouter : public Router {
 public:
  static constexpr bool kMaySayNext = false;
  ScriptedRouter(const ScriptSettings& settings, Host& host) : script_(settings.get(host)) {}
  RouterAnswer Decide(const RouterCall& call) override { return script_.decide(call); }

 private:
  Script& script_;
};

SGW_ROUTER("scripted_router", ScriptedRouter, ScriptSettings)
