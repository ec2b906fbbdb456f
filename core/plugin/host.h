// The host's side of the boundary's table. For sources of this room.
#pragma once

#include <sgw/abi.h>

#include <map>
#include <memory>
#include <string>

#include "core/plugin/asks.h"
#include "core/plugin/callbacks.h"
#include "core/plugin/services.h"

namespace sgw::core {

class Instance;

// The table that is given to every plugin.
const sgw_host_table& HostFunctions();

// Fills in the functions that take answers.
void SetAnswerFunctions(sgw_host_table& table);
// Fills in the HTTP client, secrets and what belongs to them.
void SetHttpFunctions(sgw_host_table& table);

// Takes back everything that an instance has borrowed. On the control thread.
void TakeBack(const sgw_host& host);

}  // namespace sgw::core

// The host as one instance sees it.
struct sgw_host {
  sgw::core::Instance& instance;
  sgw::core::HostServices& services;
  const std::shared_ptr<sgw::core::InstanceLife> life;
  std::map<std::string, std::string> secret_files{};  // by the JSON pointer of the setting that is read from one
};
