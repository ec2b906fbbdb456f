// One search for the server of a sharing key. For sources of this room.
#pragma once

#include "core/session/servers.h"

namespace sgw::core {

struct Servers::Acquisition {
  struct Waiter {
    std::uint64_t number;
    std::string session_key;
    Worker* worker;
    Done done;
  };

  Acquisition(std::string sharing_key, Worker* on, SteadyTime now)
      : key(std::move(sharing_key)), worker(on), since(now) {}

  const std::string key;
  Worker* const worker;  // where the run lives
  const SteadyTime since;

  bool is_over = false;  // changes on its worker alone

  // Guarded by the mutex of Servers.
  std::unique_ptr<Run> run;
  std::vector<Waiter> waiters;
  std::string phase;
};

}  // namespace sgw::core
