#include "tests/core/pipeline/script.h"

using namespace sgw;
using namespace sgw::testing;

// A pool that always decides, and makes no servers.
class ScriptedClosed : public HotPool {
 public:
  static constexpr bool kMaySayNext = false;
  ScriptedClosed(const ScriptSettings& settings, Host& host) : script_(settings.get(host)) {}
  PoolAnswer Acquire(const PoolCall& call) override { return script_.acquire(call); }
  void Release(std::string_view, LeaseOutcome) override {}
  void Redeem(std::string, Completion<Result<Lease>> done) override { done(NotFound("gone")); }

 private:
  Script& script_;
};

SGW_HOT_POOL("scripted_closed", ScriptedClosed, ScriptSettings)
