// A step of a plugin's life, waited for from another thread. For sources of this room.
#pragma once

#include <sgw/status.h>

#include <chrono>
#include <functional>

#include "core/plugin/services.h"

namespace sgw::core {

using StepDone = std::function<void(Status)>;

// Runs `step` on the control thread and waits until it has called its argument, there. UNAVAILABLE: it did not in time;
// when `step` has not even returned, the services are marked as stuck.
Status AwaitStep(HostServices& services, std::chrono::milliseconds timeout, std::function<void(StepDone)> step);

}  // namespace sgw::core
