// For the tests of the relay: writes one line for each record, its ids to another file, and admits no operation of
// "mallory".
#include <sgw/plugin.h>

#include <fstream>
#include <mutex>

namespace {

struct TestAuditSettings {
  std::string path;
  static constexpr auto kSchema =
      sgw::Settings(sgw::Setting("path", &TestAuditSettings::path, "The file.", sgw::kRequired));
};

class TestAudit : public sgw::Audit {
 public:
  static constexpr bool kAdmits = true;
  TestAudit(TestAuditSettings settings, sgw::Host&) : file_(settings.path), ids_(settings.path + ".ids") {}

  void Write(const sgw::Record& record) override {
    const std::lock_guard lock(mutex_);
    file_ << sgw::EventName(record.event) << ' ' << record.method << " by=" << record.subject
          << " refused_by=" << record.refused_by << " code=" << sgw::CodeName(record.code)
          << " operation=" << record.operation_id;
    if (!record.client_type.empty()) file_ << " client=" << record.client_type;
    file_ << '\n';
    file_ << std::flush;
    ids_ << record.call_id << ' ' << record.traceparent << '\n' << std::flush;
  }
  void Admit(const sgw::Record& record, sgw::Completion<sgw::Status> done) override {
    if (record.subject == "mallory") return done(sgw::FailedPrecondition("No record, no run."));
    done(sgw::Status());
  }

 private:
  std::mutex mutex_;  // Guards both files.
  std::ofstream file_;
  std::ofstream ids_;
};

}  // namespace

SGW_AUDIT("relay_test_audit", TestAudit, TestAuditSettings)
