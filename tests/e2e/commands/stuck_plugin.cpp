// A plugin that serves, and then never returns from a timer of its own.
#include <sgw/plugin.h>

#include <chrono>
#include <thread>

class Stuck : public sgw::Audit {
 public:
  Stuck(sgw::NoSettings, sgw::Host& host) : host_(host) {}

  void Start(sgw::Completion<sgw::Status> done) override {
    done(sgw::Status());
    timer_ = host_.StartTimer(std::chrono::milliseconds(0), [this] {
      host_.Info("this timer never returns");
      while (true) std::this_thread::sleep_for(std::chrono::hours(1));
    });
  }
  void Write(const sgw::Record&) override {}

 private:
  sgw::Host& host_;
  sgw::Timer timer_;
};

SGW_AUDIT("audit_stuck", Stuck, sgw::NoSettings)
