// A gateway that answers what the test puts into it.
#pragma once

#include <condition_variable>
#include <mutex>

#include "core/admin/backend.h"

namespace sgw::core::testing {

class FakeBackend : public AdminBackend {
 public:
  std::vector<std::string> not_ready;
  std::vector<SessionView> sessions;
  std::vector<EndpointView> endpoints;
  std::string page = "up 1\n";

  // From now on a page is made only when the test lets it.
  void HoldPages() { is_holding_ = true; }
  void AwaitPage() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_asked_; });
  }
  void LetPages() {
    const std::lock_guard lock(mutex_);
    is_holding_ = false;
    changed_.notify_all();
  }

  std::vector<std::string> NotReady() override { return not_ready; }
  std::vector<PluginView> ListPlugins() override {
    return {{"who", "auth_token", "auth", "/x/auth_token.so", "1.0", "0.1", {"next"}, "serving"}};
  }
  std::vector<SessionView> ListSessions() override { return sessions; }
  Status EndSession(const SessionName& name) override {
    const bool is_known = name.session_id == "s1" && name.subject == "alice" && name.realm == "okta";
    return is_known ? Status() : NotFound("there is no session " + name.session_id);
  }
  std::vector<DescribedView> DescribePools() override { return {{"warm", "{}"}}; }
  std::vector<DescribedView> DescribeDiscoveries() override { return {}; }
  std::vector<EndpointView> ListEndpoints() override { return endpoints; }
  std::string EffectiveConfig(bool as_json) override { return as_json ? "{}\n" : "workers: 0\n"; }
  Result<MetricsPage> Metrics() override {
    std::unique_lock lock(mutex_);
    is_asked_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !is_holding_; });
    if (page.empty()) return NotFound("no metrics plugin is configured");
    return MetricsPage{"text/plain; version=0.0.4", page};
  }

 private:
  std::mutex mutex_;  // Guards all below.
  std::condition_variable changed_;
  bool is_holding_ = false;
  bool is_asked_ = false;
};

}  // namespace sgw::core::testing
