// A plugin that goes wrong in the way that its setting names.
#include <sgw/plugin.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

[[noreturn]] void Hang() {
  while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

// As deep as the stack.
int Recurse(volatile char* above) {
  volatile char here[4096];
  here[0] = *above;
  if (here[0] != 0) return 0;  // never
  return Recurse(here) + here[1];
}

struct IllSettings {
  std::string how{};
  static constexpr auto kSchema =
      sgw::Settings(sgw::Setting("how", &IllSettings::how, "What goes wrong.", sgw::kRequired));
};

class Ill : public sgw::Audit {
 public:
  Ill(IllSettings settings, sgw::Host& host) : how_(std::move(settings.how)), host_(host) {
    if (how_ == "exit") std::exit(0);
    if (how_ == "quick exit") std::_Exit(0);
  }

  void Start(sgw::Completion<sgw::Status> done) override {
    if (how_ == "start waits") {
      host_.Info("this start never ends");
      started_ = std::move(done);
      return;
    }
    if (how_ == "start is unavailable") return done(sgw::Unavailable("what it needs does not answer"));
    done(sgw::Status());
    if (how_ == "blocking work hangs") {
      for (int i = 0; i < 8; ++i) static_cast<void>(host_.RunBlocking(Hang));
    }
    timer_ = host_.StartTimer(std::chrono::milliseconds(0), [this] {
      char bottom = 0;
      if (how_ == "timer recurses") Recurse(&bottom);
      if (how_ != "timer hangs") return;
      host_.Info("this timer never returns");
      Hang();
    });
  }
  void Write(const sgw::Record&) override {
    char bottom = 0;
    if (how_ == "record recurses") Recurse(&bottom);
  }

 private:
  const std::string how_;
  sgw::Host& host_;
  sgw::Completion<sgw::Status> started_;
  sgw::Timer timer_;
};

}  // namespace

SGW_AUDIT("audit_ill", Ill, IllSettings)
