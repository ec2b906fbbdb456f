#include "core/plugin/generation.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "core/plugin/host.h"

namespace sgw::core {
namespace {

// What a stopped instance gave to the blocking threads ends in this time.
constexpr auto kLongestEnd = std::chrono::seconds(10);

// The file that a `use:` means: a path (it has a slash), or a library's name, '-' and '_' alike, in the first of the
// directories that has it. NOT_FOUND says where it was looked for, and which name is the nearest.
Result<std::string> FindLibrary(const std::string& use, const std::vector<std::string>& directories) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (use.find('/') != std::string::npos) {
    if (fs::exists(use, error)) return use;
    return NotFound("there is no file '" + use + "'");
  }
  std::vector<std::string> names;
  std::string searched;
  for (const std::string& directory : directories) {
    searched += (searched.empty() ? "" : ", ") + directory;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
      if (entry.path().extension() == ".so") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      if (Spelled(file.stem().string()) == Spelled(use)) return file.string();
      names.push_back(file.stem().string());
    }
  }
  return NotFound("no plugin '" + use + "' in " + (searched.empty() ? "any directory" : searched) +
                  DidYouMean(use, names));
}

// A refusal's place: that of the setting with which it begins ("namespaces.a: ..."), else that of the plugin's entry.
Place PlaceOf(const PluginConfig& plugin, const std::string& refusal) {
  const std::string own = "'" + plugin.name + "': ";
  const std::size_t at = refusal.find(own);
  const std::string said = at == std::string::npos ? refusal : refusal.substr(at + own.size());
  return plugin.settings.PlaceOf(said.substr(0, said.find(": "))).value_or(plugin.place);
}

}  // namespace

InspectedPlugins InspectPlugins(const Config& config, Complaints& complaints) {
  InspectedPlugins plugins;
  std::map<std::string, std::shared_ptr<Library>> libraries;
  for (const PluginConfig& plugin : config.plugins) {
    if (plugin.use.empty()) continue;  // There is a complaint about it.
    const std::string where = "plugins." + plugin.name;
    const auto file = FindLibrary(plugin.use, config.plugin_directories);
    if (!file) {
      complaints.Error(plugin.place, where + ".use: " + file.status().message());
      continue;
    }
    auto& library = libraries[*file];
    if (!library) {
      auto opened = Library::Open(*file);
      if (!opened) {
        complaints.Error(plugin.place, where + ": " + opened.status().message());
        continue;
      }
      library = *std::move(opened);
    }
    CheckedSettings settings = CheckSettings(plugin.settings, library->tag().settings, where, complaints);
    plugins.emplace(plugin.name, InspectedPlugin{library, std::move(settings)});
  }
  return plugins;
}

Result<std::shared_ptr<Generation>> Generation::Create(const Config& config, InspectedPlugins plugins,
                                                       HostServices& services, Complaints& complaints,
                                                       std::chrono::milliseconds timeout) {
  Status first;
  std::shared_ptr<Generation> generation(new Generation(services));
  for (const PluginConfig& plugin : config.plugins) {
    const auto found = plugins.find(plugin.name);
    if (found == plugins.end()) continue;
    // Held by the step itself: it may outlast this function inside a plugin that hangs.
    const Status status =
        services.AwaitStart(timeout, [generation, inspected = found->second, name = plugin.name,
                                      directory = config.directory, &services](const HostServices::StepDone& done) {
          if (Status loaded = inspected.library->Load(HostFunctions()); !loaded.ok()) return done(std::move(loaded));
          auto instance = Instance::Create(inspected.library, name, inspected.settings, directory, services);
          if (!instance) return done(instance.status());
          generation->instances_.push_back(*std::move(instance));
          done(Status());
        });
    generation->places_[plugin.name] = plugin.place;
    if (status.ok()) continue;
    if (status.code() == StatusCode::kCancelled && services.has_been_asked_to_end()) return status;
    if (services.is_control_stuck) {
      return FailedPrecondition(found->second.library->file() + ": load or create '" + plugin.name +
                                "': " + status.message());
    }
    complaints.Error(PlaceOf(plugin, status.message()), status.message());
    if (first.ok()) first = status;
  }
  if (!first.ok()) return first;
  return generation;
}

Generation::~Generation() {
  Stop();
  for (const auto& instance : instances_) {
    if (services_.is_control_stuck || services_.is_blocking_stuck || instance->AwaitQuiet(kLongestEnd)) continue;
    services_.is_blocking_stuck = true;
    spdlog::error("{}: '{}': work that it gave to the blocking threads does not end", instance->library().file(),
                  instance->name());
  }
  if (services_.is_control_stuck || services_.is_blocking_stuck) {
    // Nothing of them may be touched any more: the process is about to end.
    static auto* const kept = new std::vector<std::shared_ptr<Instance>>;
    kept->insert(kept->end(), instances_.begin(), instances_.end());
    return;
  }
  // The task owns them: where a plugin's end hangs, it is not waited for, and nothing is taken away under it.
  services_.OnControl([all = std::move(instances_)]() mutable {
    while (!all.empty()) all.pop_back();
  });
}

Status Generation::Start(Complaints& complaints, std::chrono::milliseconds timeout) {
  std::vector<std::pair<Place, std::string>> failures;
  bool is_refused = false;
  for (const auto& instance : instances_) {
    const Status status =
        services_.AwaitStart(timeout, [instance](HostServices::StepDone done) { instance->Start(std::move(done)); });
    if (status.ok()) {
      spdlog::debug("plugin {} ({}) serves", instance->name(), instance->tag().name);
      continue;
    }
    if (status.code() == StatusCode::kCancelled && services_.has_been_asked_to_end()) return status;
    failures.emplace_back(places_[instance->name()],
                          instance->library().file() + ": start '" + instance->name() + "': " + status.message());
    is_refused =
        is_refused || status.code() == StatusCode::kInvalidArgument || status.code() == StatusCode::kFailedPrecondition;
    if (services_.is_control_stuck) break;
  }
  std::string all;
  for (const auto& [place, why] : failures) {
    if (is_refused) complaints.Error(place, why);
    all += (all.empty() ? "" : "\n") + why;
  }
  return failures.empty() ? Status() : FailedPrecondition(all);
}

void Generation::Stop(std::chrono::milliseconds timeout) {
  if (std::exchange(is_stopped_, true)) return;
  std::for_each(instances_.rbegin(), instances_.rend(), [&](const auto& instance) {
    if (instance->state() != Instance::State::kCreated) StopOne(*instance, timeout);
  });
}

void Generation::StopOne(Instance& instance, std::chrono::milliseconds timeout) {
  for (const bool is_stop : {false, true}) {
    const Status status = services_.Await(timeout, [&instance, is_stop](HostServices::StepDone done) {
      is_stop ? instance.Stop(std::move(done)) : instance.Quiesce(std::move(done));
    });
    if (status.ok()) continue;
    spdlog::warn("{}: {} '{}': {}", instance.library().file(), is_stop ? "stop" : "quiesce", instance.name(),
                 status.message());
  }
}

Instance* Generation::Find(std::string_view name) const {
  for (const auto& instance : instances_) {
    if (instance->name() == name) return instance.get();
  }
  return nullptr;
}

}  // namespace sgw::core
