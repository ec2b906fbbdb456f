#include "tests/core/pipeline/script.h"

using namespace sgw;
using namespace sgw::testing;

class ScriptedPool : public HotPool {
 public:
  static constexpr bool kCanCreate = true;
  ScriptedPool(const ScriptSettings& settings, Host& host) : script_(settings.get(host)) {}
  PoolAnswer Acquire(const PoolCall& call) override { return script_.acquire(call); }
  void Release(std::string_view lease_id, LeaseOutcome outcome) override {
    constexpr const char* kNames[] = {"ended", "lost", "unclaimed"};
    script_.Remember("released " + std::string(lease_id) + " " + kNames[static_cast<int>(outcome)]);
  }
  void Redeem(std::string lease_id, Completion<Result<Lease>> done) override {
    script_.redeem(std::move(lease_id), std::move(done));
  }

 private:
  Script& script_;
};

SGW_HOT_POOL("scripted_pool", ScriptedPool, ScriptSettings)
