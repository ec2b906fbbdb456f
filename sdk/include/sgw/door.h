// The door of a plugin: its table of functions for the C boundary, and the macro behind the SGW_ lines.
//
// Nothing that a plugin throws passes this door.
#pragma once

#include <sgw/detail/instance.h>
#include <sgw/detail/kinds.h>
#include <sgw/detail/tag.h>
#include <sgw/settings.h>

#include <atomic>
#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace sgw::detail {

inline void Tell(const sgw_failure* failure, const Status& why) {
  const sgw_status raw = Raw(why);
  if (failure && failure->fail) failure->fail(failure->context, &raw);
}

// Whether this SDK can work with the host.
inline Status CheckHost(const sgw_host_table& host) {
  const std::string mine = std::to_string(SGW_ABI_MAJOR) + "." + std::to_string(SGW_ABI_MINOR);
  const std::string theirs = std::to_string(host.abi_major) + "." + std::to_string(host.abi_minor);
  constexpr int kMinor = SGW_ABI_MINOR;
  if (host.abi_major != SGW_ABI_MAJOR || static_cast<int>(host.abi_minor) < kMinor) {
    return FailedPrecondition("built with SDK " + std::string(kSdkVersion) + " for plugin ABI " + mine +
                              ", this gateway speaks " + theirs +
                              "; rebuild with the gateway's SDK, or use a gateway that speaks " + mine);
  }
  if (!SGW_HAS(&host, exposure)) return FailedPrecondition("the gateway's table of functions is too short");
  return {};
}

// The functions that every kind has, for a plugin `Class` of the kind `Kind` with the settings `S`.
template <typename Kind, typename Class, typename S>
class Door {
  static_assert(std::derived_from<Class, Kind>, "the class is not of the kind that its SGW_ line says");
  static_assert(std::default_initializable<S>, "the settings struct needs a default for every member");
  using Self = Instance<Kind>;

 public:
  static const sgw_plugin* Enter(const sgw_host_table* host, const sgw_failure* failure) noexcept {
    try {
      if (const Status status = CheckHost(*host); !status.ok()) {
        Tell(failure, status);
        return nullptr;
      }
      Table().store(host);
      static const sgw_plugin kPlugin = MakePlugin();
      return &kPlugin;
    } catch (...) {
      return nullptr;
    }
  }

 private:
  // The host's functions; the same for all instances.
  static std::atomic<const sgw_host_table*>& Table() {
    static std::atomic<const sgw_host_table*> table{nullptr};
    return table;
  }

  static sgw_plugin MakePlugin() {
    sgw_plugin plugin{};
    plugin.size = sizeof(sgw_plugin);
    plugin.abi_major = SGW_ABI_MAJOR;
    plugin.abi_minor = SGW_ABI_MINOR;
    plugin.create = &Create;
    plugin.start = [](sgw_instance* raw, sgw_ask ask) {
      Self& self = Self::Of(raw);
      return self.template AskLater<Status>("Start", ask,
                                            [&](const Completion<Status>& done) { self.plugin->Start(done); });
    };
    plugin.quiesce = [](sgw_instance* raw, sgw_ask ask) {
      Self& self = Self::Of(raw);
      return self.template AskLater<Status>("Quiesce", ask,
                                            [&](const Completion<Status>& done) { self.plugin->Quiesce(done); });
    };
    plugin.stop = &Stop;
    plugin.destroy = [](sgw_instance* raw) { delete &Self::Of(raw); };
    plugin.cancel = [](sgw_instance* raw, sgw_ask ask) {
      Self& self = Self::Of(raw);
      self.Guard("a cancellation", [&] { self.pending->Cancel(ask); });
    };
    plugin.describe = [](sgw_instance* raw, sgw_text_sink sink) {
      Self& self = Self::Of(raw);
      std::string text = R"({"error":"the plugin failed inside: an exception"})";
      self.Guard("Describe", [&] { text = self.plugin->Describe(); });
      sink.write(sink.context, View(text));
    };
    SetTable(plugin, static_cast<const Kind*>(nullptr));
    return plugin;
  }

  static sgw_instance* Create(sgw_host* handle, const sgw_create_args* args, const sgw_failure* failure) noexcept {
    try {
      Result<S> settings = ReadSettings<S>(Text(args->settings_json));
      if (!settings) {
        Tell(failure, settings.status());
        return nullptr;
      }
      auto self = std::make_unique<Self>(Table().load(), handle, *args);
      self->plugin = Make(*std::move(settings), self->host);
      return self.release()->raw();
    } catch (const std::exception& error) {
      Tell(failure, InvalidArgument(error.what()));
    } catch (...) {
      Tell(failure, Internal("the constructor threw something that is no std::exception"));
    }
    return nullptr;
  }

  static std::unique_ptr<Kind> Make(S settings, Host& host) {
    if constexpr (std::is_constructible_v<Class, S, Host&>) {
      return std::make_unique<Class>(std::move(settings), host);
    } else if constexpr (std::is_constructible_v<Class, S>) {
      return std::make_unique<Class>(std::move(settings));
    } else if constexpr (std::is_constructible_v<Class, Host&>) {
      return std::make_unique<Class>(host);
    } else {
      static_assert(std::is_default_constructible_v<Class>, "the class needs a constructor (Settings, sgw::Host&)");
      return std::make_unique<Class>();
    }
  }

  // The host hears of the end when no callback runs any more; what was never answered is answered then.
  static std::int32_t Stop(sgw_instance* raw, sgw_ask ask) noexcept {
    Self& self = Self::Of(raw);
    try {
      const Completion<Status> stopped(
          [link = self.link, pending = self.pending, ask](const Status& status) {
            link->CloseCallbacks([=] {
              pending->FailAll(Unavailable("the plugin was stopped before it answered", RetryIn(1s)));
              link->WithHost([&](const sgw_host_table& table, sgw_host* host) { Send(table, host, ask, status); });
            });
          },
          [link = self.link](const char* reason) { link->Misused(reason); });
      return self.Run("Stop", stopped, [&](const Completion<Status>& done) { self.plugin->Stop(done); });
    } catch (...) {
      return -1;
    }
  }
};

}  // namespace sgw::detail

#define SGW_PLUGIN(name, Kind, Class, ...)                                                                   \
  namespace {                                                                                                \
  [[gnu::section(SGW_TAG_SECTION), gnu::used]] constexpr auto kSgwTag =                                      \
      ::sgw::detail::MakeTag<Kind, Class, __VA_ARGS__, name>();                                              \
  }                                                                                                          \
  extern "C" [[gnu::visibility("default")]] const sgw_plugin* sgw_plugin_entry(const sgw_host_table* host,   \
                                                                               const sgw_failure* failure) { \
    return ::sgw::detail::Door<Kind, Class, __VA_ARGS__>::Enter(host, failure);                              \
  }
