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
  // Loads and creates, in the order of the configuration; each instance has `timeout` for it. Not OK: CANCELLED, when
  // the gateway was asked to end meanwhile; else what the first that failed says: which plugin, in which phase, and
  // why. `complaints` has all of them, each at the setting that it names or at its plugin's entry; of one that hangs,
  // which is nobody's mistake in the file, only the status speaks.
  static Result<std::shared_ptr<Generation>> Create(const Config& config, InspectedPlugins plugins,
                                                    HostServices& services, Complaints& complaints,
                                                    std::chrono::milliseconds timeout = std::chrono::seconds(60));
  // Stops what was started, in reverse, and destroys. When a thread is stuck inside a plugin, leaves everything as it
  // is.
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // Starts every instance, up to one that hangs; each has this long. Not OK: CANCELLED as above, or a line for each
  // that fails. When one of them refuses its configuration (INVALID_ARGUMENT, FAILED_PRECONDITION), all are complained
  // about.
  Status Start(Complaints& complaints, std::chrono::milliseconds timeout = std::chrono::seconds(60));
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
  std::map<std::string, Place> places_;  // by instance
  bool is_stopped_ = false;
};

}  // namespace sgw::core
