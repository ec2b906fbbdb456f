#include "tests/core/pipeline/script.h"

using namespace sgw;
using namespace sgw::testing;

class ScriptedAudit : public Audit {
 public:
  static constexpr bool kAdmits = true;
  ScriptedAudit(const ScriptSettings& settings, Host& host) : script_(settings.get(host)) {}
  void Write(const Record& record) override {
    script_.Remember(std::string(EventName(record.event)) + " " + std::string(record.session_id) +
                     (record.operation_id.empty() ? "" : " " + std::string(record.operation_id)) +
                     (record.reason.empty() ? "" : ": " + std::string(record.reason)));
  }
  void Admit(const Record& record, Completion<Status> done) override { script_.admit(record, std::move(done)); }

 private:
  Script& script_;
};

SGW_AUDIT("scripted_audit", ScriptedAudit, ScriptSettings)
