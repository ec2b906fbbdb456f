// WarmPool: everything of a hot pool that is not making a server. See <sgw/launcher.h> for what a launcher does.
#pragma once

#include <sgw/detail/warm_servers.h>
#include <sgw/host.h>
#include <sgw/hot_pool.h>
#include <sgw/launcher.h>
#include <sgw/settings.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sgw {

// The settings of a pool and of its launcher, side by side in the configuration.
template <typename LauncherSettings>
struct WarmPoolSettings {
  WarmPoolRules pool{};
  LauncherSettings launcher{};

  static constexpr auto kSchema = Settings(Inlined(&WarmPoolSettings::pool), Inlined(&WarmPoolSettings::launcher));
};

// A HotPool over the servers of a Launcher. SGW_LAUNCHER makes one; nobody else names it.
//
// Servers are kept by namespace, service class and attributes of the Route. For each of these `size` servers are warm:
// started, answering, never used. A question takes the oldest warm one in line, and the next is started at once. A
// question that may create waits for the first server that becomes ready, in the order of asking, and hears its phases;
// questions of one sharing key wait for one server. A server that was used is ended when it is released, one that
// nobody came for is warm again. A question that is given up leaves its server to the others.
//
// A start that fails answers those who wait with its Status; the next one comes after a pause that doubles each time.
// Whatever a start may have left is stopped, and Stop is asked until it is OK. A warm server that is gone is replaced,
// a leased one is told to the host. Ages count for warm servers only.
//
// Servers that the launcher lists at the start can be redeemed with their leases for `adopt_timeout`; then the rest is
// stopped: which of them were used, nobody knows.
//
// The launcher is called on the control thread, never under a lock.
template <typename L>
class WarmPool final : public HotPool {
 public:
  static constexpr bool kCanCreate = true;

  template <typename S>
  WarmPool(WarmPoolSettings<S> settings, Host& host)
      : servers_(std::make_shared<detail::WarmServers>(std::move(settings.pool), host)),
        launcher_(Make(std::move(settings.launcher), host)) {
    servers_->Use(*launcher_);
  }
  ~WarmPool() override { servers_->Close(); }

  void Start(Completion<Status> done) override { servers_->Start(std::move(done)); }
  void Quiesce(Completion<Status> done) override { servers_->Quiesce(done); }
  void Stop(Completion<Status> done) override { servers_->Stop(std::move(done)); }
  std::string Describe() const override { return servers_->Describe(); }

  PoolAnswer Acquire(const PoolCall& call) override { return servers_->Acquire(call); }
  void Release(std::string_view lease_id, LeaseOutcome outcome) override { servers_->Release(lease_id, outcome); }
  void Redeem(std::string lease_id, Completion<Result<Lease>> done) override { done(servers_->Redeem(lease_id)); }

 private:
  template <typename S>
  static std::unique_ptr<Launcher> Make(S settings, Host& host) {
    if constexpr (std::is_constructible_v<L, S, Host&>) {
      return std::make_unique<L>(std::move(settings), host);
    } else if constexpr (std::is_constructible_v<L, S>) {
      return std::make_unique<L>(std::move(settings));
    } else if constexpr (std::is_constructible_v<L, Host&>) {
      return std::make_unique<L>(host);
    } else {
      static_assert(std::is_default_constructible_v<L>, "the launcher needs a constructor (Settings, sgw::Host&)");
      return std::make_unique<L>();
    }
  }

  // Goes last: a launcher that is being destroyed may still drop completions.
  const std::shared_ptr<detail::WarmServers> servers_;
  const std::unique_ptr<Launcher> launcher_;
};

}  // namespace sgw
