// PluginUnderTest: an instance of a plugin, driven through the C boundary as the gateway drives it.
#pragma once

#include <dlfcn.h>
#include <sgw/door.h>
#include <sgw/testing/fake_call.h>
#include <sgw/testing/test_host.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw::testing {

// Where a plugin comes from.
struct PluginSource {
  sgw_plugin_entry_fn entry = nullptr;
};

// The kind that a class is of.
template <typename Class>
struct KindOf {
  template <typename... Kinds>
  static auto Select() {
    if constexpr ((std::derived_from<Class, Kinds> || ...)) {
      std::tuple<std::conditional_t<std::derived_from<Class, Kinds>, std::tuple<Kinds*>, std::tuple<>>...> each;
      return std::get<0>(std::apply([](auto... all) { return std::tuple_cat(all...); }, each));
    }
  }
  using type = std::remove_pointer_t<
      decltype(Select<Authenticator, Router, HotPool, Discovery, Audit, Metrics, SessionStore>())>;
};

// A class that is linked into the test.
template <typename Class, typename SettingsStruct = NoSettings>
PluginSource Linked() {
  return {&sgw::detail::Door<typename KindOf<Class>::type, Class, SettingsStruct>::Enter};
}

// A built library. It stays loaded. Throws std::runtime_error.
inline PluginSource Loaded(const std::string& file) {
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  void* const symbol = dlsym(library, SGW_ENTRY_SYMBOL);
  if (!symbol) throw std::runtime_error(file + " does not export " SGW_ENTRY_SYMBOL);
  return {reinterpret_cast<sgw_plugin_entry_fn>(symbol)};
}

// Made, not yet started; see Start(). The destructor quiesces, stops and destroys what was not yet.
//
// A question of a kind that the plugin is not throws std::logic_error.
class PluginUnderTest {
 public:
  // `settings` is what the host gives: JSON, durations in milliseconds. See created().
  PluginUnderTest(TestHost& host, PluginSource source, std::string_view settings = "{}",
                  std::string_view configuration_directory = "", std::string_view name = "under_test")
      : host_(host) {
    const sgw_failure failure = {&created_, [](void* context, const sgw_status* status) {
                                   *static_cast<Status*>(context) = sgw::detail::FromRaw(status);
                                 }};
    plugin_ = source.entry(&host.table(), &failure);
    if (plugin_) {
      const sgw_create_args args = {sizeof(args), 0, sgw::detail::View(name), sgw::detail::View(settings),
                                    sgw::detail::View(configuration_directory)};
      instance_ = plugin_->create(host.handle(), &args, &failure);
    }
    if (!instance_ && created_.ok()) created_ = Internal("no instance was made, and nobody said why");
  }
  PluginUnderTest(const PluginUnderTest&) = delete;
  PluginUnderTest& operator=(const PluginUnderTest&) = delete;
  ~PluginUnderTest() {
    try {
      Destroy();
    } catch (...) {  // Stop was never answered; the test has seen that or will see a leak.
    }
  }

  // OK, or why there is no instance.
  const Status& created() const { return created_; }
  const sgw_plugin& table() const { return *plugin_; }
  sgw_instance* instance() const { return instance_; }

  Asked<Status> Start() {
    return Ask<Status>([&](sgw_ask ask) { return plugin_->start(instance_, ask); });
  }
  Asked<Status> Quiesce() {
    is_quiesced_ = true;
    return Ask<Status>([&](sgw_ask ask) { return plugin_->quiesce(instance_, ask); });
  }
  Asked<Status> Stop() {
    is_stopped_ = true;
    return Ask<Status>([&](sgw_ask ask) { return plugin_->stop(instance_, ask); });
  }
  // Quiesces and stops it first, unless that was done, and waits.
  void Destroy() {
    if (!instance_) return;
    if (!is_quiesced_) static_cast<void>(Quiesce().Wait());
    if (!is_stopped_) static_cast<void>(Stop().Wait());
    host_.EndThreads();
    plugin_->destroy(std::exchange(instance_, nullptr));
  }
  std::string Describe() const {
    std::string text;
    if (plugin_->describe) plugin_->describe(instance_, Sink(text));
    return text;
  }

  Asked<AuthAnswer> Authenticate(const FakeCall& call) {
    const sgw_auth_ops& ops = Ops(plugin_->auth);
    return Ask<AuthAnswer>([&](sgw_ask ask) {
      return call.Use([&](const sgw_call& raw) { return ops.authenticate(instance_, &raw, ask); });
    });
  }

  Asked<RouterAnswer> Decide(const FakeCall& call) {
    const sgw_router_ops& ops = Ops(plugin_->router);
    return Ask<RouterAnswer>([&](sgw_ask ask) {
      return WithIdentity(
          call, [&](const sgw_call& raw, const sgw_identity* who) { return ops.route(instance_, &raw, who, ask); });
    });
  }

  Asked<PoolAnswer> Acquire(const FakeCall& call, std::string_view key, bool create = false) {
    const sgw_pool_ops& ops = Ops(plugin_->pool);
    return Ask<PoolAnswer>([&](sgw_ask ask) {
      return WithIdentity(call, [&](const sgw_call& raw, const sgw_identity* who) {
        const sgw::detail::RawRoute owned(call.route());
        const sgw_route route = owned.get();
        const std::string own_key(key);
        const sgw_pool_request request = {sizeof(request), create ? 1U : 0U,          &raw, who,
                                          &route,          sgw::detail::View(own_key)};
        return ops.acquire(instance_, &request, ask);
      });
    });
  }
  void Release(std::string_view lease_id, LeaseOutcome outcome) {
    Ops(plugin_->pool).release(instance_, sgw::detail::View(lease_id), static_cast<std::int32_t>(outcome));
  }
  Asked<PoolAnswer> Redeem(std::string_view lease_id) {
    return Ask<PoolAnswer>(
        [&](sgw_ask ask) { return Ops(plugin_->pool).redeem(instance_, sgw::detail::View(lease_id), ask); });
  }

  Asked<DiscoveryReply> Resolve(const FakeCall& call) {
    const sgw_discovery_ops& ops = Ops(plugin_->discovery);
    return Ask<DiscoveryReply>([&](sgw_ask ask) {
      return WithIdentity(call, [&](const sgw_call& raw, const sgw_identity* who) {
        const sgw::detail::RawRoute owned(call.route());
        const sgw_route route = owned.get();
        return ops.resolve(instance_, &raw, who, &route, ask);
      });
    });
  }

  void Write(const Record& record, const std::vector<std::string>& groups = {}, const StringMap& claims = {},
             const StringMap& labels = {}) {
    UseRecord(record, groups, claims, labels,
              [&](const sgw_record& raw) { Ops(plugin_->audit).record(instance_, &raw); });
  }
  Asked<Status> Admit(const Record& record) {
    return Ask<Status>([&](sgw_ask ask) {
      return UseRecord(record, {}, {}, {},
                       [&](const sgw_record& raw) { return Ops(plugin_->audit).admit(instance_, &raw, ask); });
    });
  }

  MetricsPage Render(const std::vector<sgw_metric_family>& families = {}) {
    const sgw_metrics_snapshot snapshot = {sizeof(snapshot), 0, families.data(), families.size()};
    MetricsPage page;
    Ops(plugin_->metrics).render(instance_, &snapshot, Sink(page.content_type), Sink(page.body));
    return page;
  }

  Asked<SessionReply> BindIfAbsent(std::string_view key, std::string_view binding, Duration ttl) {
    return Ask<SessionReply>([&](sgw_ask ask) {
      return Ops(plugin_->session_store)
          .bind_if_absent(instance_, sgw::detail::View(key), sgw::detail::View(binding), ttl.count(), ask);
    });
  }
  Asked<SessionReply> LookUp(std::string_view key) {
    return Ask<SessionReply>(
        [&](sgw_ask ask) { return Ops(plugin_->session_store).look_up(instance_, sgw::detail::View(key), ask); });
  }
  Asked<SessionReply> Touch(std::string_view key, Duration ttl) {
    return Ask<SessionReply>([&](sgw_ask ask) {
      return Ops(plugin_->session_store).touch(instance_, sgw::detail::View(key), ttl.count(), ask);
    });
  }
  Asked<SessionReply> Remove(std::string_view key) {
    return Ask<SessionReply>(
        [&](sgw_ask ask) { return Ops(plugin_->session_store).remove(instance_, sgw::detail::View(key), ask); });
  }

 private:
  template <typename T>
  static const T& Ops(const T* ops) {
    if (!ops) throw std::logic_error("the plugin is of another kind");
    return *ops;
  }

  static sgw_text_sink Sink(std::string& text) {
    return {&text,
            [](void* context, sgw_view more) { static_cast<std::string*>(context)->append(sgw::detail::Text(more)); }};
  }

  template <typename F>
  static std::int32_t WithIdentity(const FakeCall& call, F use) {
    return call.Use([&](const sgw_call& raw) {
      if (!call.identity()) return use(raw, nullptr);
      const Identity copy = *call.identity();
      const sgw::detail::RawIdentity owned(copy);
      const sgw_identity who = owned.get();
      return use(raw, &who);
    });
  }

  // Asks, and holds the plugin to what its return value says.
  template <typename A, typename F>
  Asked<A> Ask(F question) {
    if (!instance_) throw std::logic_error("there is no instance: " + created_.message());
    const auto [id, ask] = host_.NewAsk<A>();
    const std::int32_t said = question(id);
    if (said == SGW_ANSWERED && !ask->is_answered()) throw std::logic_error("it says that it answered, and has not");
    if (said != SGW_ANSWERED && said != SGW_PENDING) ask->Answer(A(Internal("the ask function failed")));
    return Asked<A>(
        ask,
        [this, id = id] {
          if (instance_ && plugin_->cancel) plugin_->cancel(instance_, id);
        },
        [this] { host_.RunPending(); });
  }

  TestHost& host_;
  Status created_;
  const sgw_plugin* plugin_ = nullptr;
  sgw_instance* instance_ = nullptr;
  bool is_quiesced_ = false;
  bool is_stopped_ = false;
};

}  // namespace sgw::testing
