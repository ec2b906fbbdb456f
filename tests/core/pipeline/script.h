// Scripted plugins: what they answer is a function of the test, found through an address in their settings. They are
// real plugins in real files, so a test goes through the whole boundary.
#pragma once

#include <sgw/plugin.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sgw::testing {

// What the instances of one test do and remember. Functions are set before the first question; what is remembered is
// guarded, since questions come from workers.
class Script {
 public:
  std::function<AuthAnswer(const AuthCall&)> authenticate = [](const AuthCall&) {
    return Identity{.subject = "alice"};
  };
  std::function<RouterAnswer(const RouterCall&)> decide = [](const RouterCall&) { return Route{}; };
  std::function<PoolAnswer(const PoolCall&)> acquire = [](const PoolCall&) { return Next{}; };
  std::function<void(std::string, Completion<Result<Lease>>)> redeem = [](const std::string&, auto done) {
    done(NotFound("gone"));
  };
  std::function<DiscoveryAnswer(const DiscoveryCall&)> resolve = [](const DiscoveryCall&) { return Next{}; };
  std::function<void(const Record&, Completion<Status>)> admit = [](const Record&, auto done) { done(Status()); };

  // "released lease-1 ended", "record session-opened <session id>", and what a test adds.
  void Remember(std::string what) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(std::move(what));
  }
  std::vector<std::string> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  int count(std::string_view prefix) const {
    const std::lock_guard lock(mutex_);
    int found = 0;
    for (const auto& one : seen_) found += one.starts_with(prefix) ? 1 : 0;
    return found;
  }

  Host* host = nullptr;  // of the newest instance

 private:
  mutable std::mutex mutex_;  // Guards seen_.
  std::vector<std::string> seen_;
};

struct ScriptSettings {
  std::int64_t script = 0;
  static constexpr auto kSchema =
      Settings(Setting("script", &ScriptSettings::script, "Address of a Script.", kRequired));

  Script& get(Host& host) const {
    auto& found = *reinterpret_cast<Script*>(static_cast<std::uintptr_t>(script));
    found.host = &host;
    return found;
  }
};

}  // namespace sgw::testing
