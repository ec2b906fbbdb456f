// The pieces of code in sdk/README.md that are no plugin of their own.
#include <doctest/doctest.h>
#include <sgw/plugin.h>
#include <sgw/testing.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

using namespace sgw;

namespace {

class Drivers : public Discovery {
 public:
  explicit Drivers(Host& host) : host_(host) {}

  void Start(Completion<Status> done) override {
    watch_ = host_.WatchFile("/etc/drivers", [this] { Publish(); });
    Publish();
    done(Status());
  }
  DiscoveryAnswer Resolve(const DiscoveryCall&) override {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }

 private:
  void Publish() {
    const EndpointSnapshot snapshot =
        host_.MakeSnapshot({{.address = "10.0.0." + std::to_string(++reads_) + ":15002"}});
    const std::lock_guard lock(mutex_);
    snapshot_ = snapshot;
  }

  Host& host_;
  int reads_ = 0;
  std::mutex mutex_;  // Guards snapshot_.
  EndpointSnapshot snapshot_;
  FileWatch watch_;  // Last: its callback uses what stands above.
};

}  // namespace

using namespace sgw::testing;

TEST_CASE("a changed file is a new snapshot") {
  TestHost host;
  PluginUnderTest drivers(host, Linked<Drivers>());
  CHECK(drivers.Start().Wait().ok());

  host.ChangeFile("/etc/drivers");

  const auto found = drivers.Resolve(CallFrom("alice").RoutedTo("ads")).now();
  CHECK(found.get<std::vector<Endpoint>>()->at(0).address == "10.0.0.2:15002");
}
