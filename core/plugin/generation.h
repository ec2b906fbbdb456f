// Generation: the instances of one configuration. Calls pin the generation that they began with.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config/complaints.h"
#include "core/config/config.h"
#include "core/config/schema.h"
#include "core/plugin/instance.h"

namespace sgw::core {

// What is known of a configured plugin without running code of it.
struct InspectedPlugin {
  std::shared_ptr<Library> library;
  CheckedSettings settings;
};
using InspectedPlugins = std::map<std::string, InspectedPlugin>;  // by instance name

// Finds and inspects every plugin and checks its settings against its schema; complaints have the place in the file.
// Instances of one file share its copy.
InspectedPlugins InspectPlugins(const Config& config, Complaints& complaints);

// Not to be used on the control thread: everything here waits for it.
class Generation {
 public:
  // Loads and creates, in the order of the configuration; each instance has `timeout` for it. Not OK: which plugin, in
  // which phase, and why.
  static Result<std::shared_ptr<Generation>> Create(const Config& config, InspectedPlugins plugins,
                                                    HostServices& services,
                                                    std::chrono::milliseconds timeout = std::chrono::seconds(60));
  // Stops what was started, in reverse, and destroys. When the control thread is stuck inside a plugin, leaves
  // everything as it is.
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // Starts every instance; each has this long.
  Status Start(std::chrono::milliseconds timeout = std::chrono::seconds(60));
  // quiesce, stop; in reverse order. After this nothing is asked. Idempotent.
  void Stop(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  // Null: no such instance.
  Instance* Find(std::string_view name) const;
  // Shared, since a later generation carries over what has not changed.
  const std::vector<std::shared_ptr<Instance>>& instances() const { return instances_; }

 private:
  explicit Generation(HostServices& services) : services_(services) {}
  void StopOne(Instance& instance, std::chrono::milliseconds timeout);

  HostServices& services_;
  std::vector<std::shared_ptr<Instance>> instances_;
  bool is_stopped_ = false;
};

}  // namespace sgw::core
