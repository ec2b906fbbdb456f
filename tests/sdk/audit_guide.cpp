#include <sgw/plugin.h>

#include <string>

namespace {

// Admits everything that has a subject.
class GuideAudit : public sgw::Audit {
 public:
  static constexpr bool kAdmits = true;

  explicit GuideAudit(sgw::Host& host)
      : records_(host.MakeCounter("spark_gateway_audit_guide_records_total", "Records that were told.")) {}

  void Write(const sgw::Record&) override { records_.Add(); }
  void Admit(const sgw::Record& record, sgw::Completion<sgw::Status> done) override {
    done(record.subject.empty() ? sgw::PermissionDenied("Nobody may run this.") : sgw::Status());
  }

 private:
  const sgw::Counter records_;
};

}  // namespace

SGW_AUDIT("audit_guide", GuideAudit, sgw::NoSettings)
