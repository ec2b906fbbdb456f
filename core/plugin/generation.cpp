#include "core/plugin/generation.h"

#include <spdlog/spdlog.h>

#include <future>

#include "core/plugin/find.h"

namespace sgw::core {
namespace {

// Runs on the control thread and waits.
void OnControl(HostServices& services, const std::function<void()>& function) {
  std::promise<void> done;
  services.control.Post([&] {
    function();
    done.set_value();
  });
  done.get_future().get();
}

// A step of an instance's life, waited for. DEADLINE_EXCEEDED is only for people here, never for a caller.
Status Await(HostServices& services, std::chrono::milliseconds timeout,
             const std::function<void(std::function<void(Status)>)>& step) {
  auto promise = std::make_shared<std::promise<Status>>();
  auto future = promise->get_future();
  OnControl(services, [&] { step([promise](Status status) { promise->set_value(std::move(status)); }); });
  if (future.wait_for(timeout) == std::future_status::ready) return future.get();
  return Unavailable("no answer within " + std::to_string(timeout.count() / 1000) + " s");
}

}  // namespace

InspectedPlugins InspectPlugins(const Config& config, Complaints& complaints) {
  InspectedPlugins plugins;
  std::map<std::string, std::shared_ptr<Library>> libraries;
  for (const PluginConfig& plugin : config.plugins) {
    const auto file = FindLibrary(plugin.use, config.plugin_directories);
    if (!file) {
      complaints.Error(plugin.place, "plugins." + plugin.name + ".use: " + file.status().message());
      continue;
    }
    auto& library = libraries[*file];
    if (!library) {
      auto opened = Library::Open(*file);
      if (!opened) {
        complaints.Error(plugin.place, "plugins." + plugin.name + ": " + opened.status().message());
        continue;
      }
      library = *opened;
    }
    CheckedSettings settings =
        CheckSettings(plugin.settings, library->tag().settings, "plugins." + plugin.name, complaints);
    plugins.emplace(plugin.name, InspectedPlugin{library, std::move(settings)});
  }
  return plugins;
}

Result<std::shared_ptr<Generation>> Generation::Create(const Config& config, InspectedPlugins plugins,
                                                       HostServices& services) {
  std::shared_ptr<Generation> generation(new Generation(services));
  Status failure;
  OnControl(services, [&] {
    for (const PluginConfig& plugin : config.plugins) {
      const auto found = plugins.find(plugin.name);
      if (found == plugins.end()) continue;
      failure = found->second.library->Load(HostFunctions());
      if (!failure.ok()) return;
      auto instance =
          Instance::Create(found->second.library, plugin.name, found->second.settings.json, config.directory, services);
      if (!instance) {
        failure = instance.status();
        return;
      }
      generation->instances_.push_back(*std::move(instance));
    }
  });
  if (!failure.ok()) return failure;
  return generation;
}

Generation::~Generation() {
  Stop();
  OnControl(services_, [this] {
    while (!instances_.empty()) instances_.pop_back();
  });
}

Status Generation::Start(std::chrono::milliseconds timeout) {
  for (const auto& instance : instances_) {
    const Status status =
        Await(services_, timeout, [&](std::function<void(Status)> done) { instance->Start(std::move(done)); });
    if (!status.ok()) {
      return FailedPrecondition(instance->library().file() + ": start '" + instance->name() + "': " + status.message());
    }
    spdlog::debug("plugin {} ({}) serves", instance->name(), instance->tag().name);
  }
  return {};
}

void Generation::Stop(std::chrono::milliseconds timeout) {
  if (std::exchange(is_stopped_, true)) return;
  for (auto at = instances_.rbegin(); at != instances_.rend(); ++at) {
    Instance& instance = **at;
    if (instance.state() == Instance::State::kCreated) continue;
    for (const bool is_stop : {false, true}) {
      const Status status = Await(services_, timeout, [&](std::function<void(Status)> done) {
        is_stop ? instance.Stop(std::move(done)) : instance.Quiesce(std::move(done));
      });
      if (!status.ok()) {
        spdlog::warn("{}: {} '{}': {}", instance.library().file(), is_stop ? "stop" : "quiesce", instance.name(),
                     status.message());
      }
    }
  }
}

Instance* Generation::Find(std::string_view name) const {
  for (const auto& instance : instances_) {
    if (instance->name() == name) return instance.get();
  }
  return nullptr;
}

}  // namespace sgw::core
