// For the tests of the relay: a fixed list of servers.
#include <sgw/plugin.h>

namespace {

struct TestDiscoverySettings {
  std::vector<std::string> addresses;
  sgw::Secret token;
  static constexpr auto kSchema =
      sgw::Settings(sgw::Setting("addresses", &TestDiscoverySettings::addresses, "host:port", sgw::kRequired),
                    sgw::Setting("token", &TestDiscoverySettings::token, "What the servers want to see."));
};

class TestDiscovery : public sgw::Discovery {
 public:
  TestDiscovery(TestDiscoverySettings settings, sgw::Host& host) {
    std::vector<sgw::Endpoint> endpoints;
    for (const auto& address : settings.addresses) endpoints.push_back({.address = address, .token = settings.token});
    snapshot_ = host.MakeSnapshot(endpoints);
  }
  sgw::DiscoveryAnswer Resolve(const sgw::DiscoveryCall&) override { return snapshot_; }

 private:
  sgw::EndpointSnapshot snapshot_;
};

}  // namespace

SGW_DISCOVERY("relay_test_discovery", TestDiscovery, TestDiscoverySettings)
