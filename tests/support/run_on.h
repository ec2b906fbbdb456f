// RunOn: a function on a worker, waited for.
#pragma once

#include <future>
#include <type_traits>
#include <utility>

#include "core/worker/worker.h"

namespace sgw::core::testing {

// Runs the function on the worker and gives its value, when what the function has posted there has run, too: a task
// that another thread posts may overtake one that a running task posts.
template <typename F>
auto RunOn(Worker& worker, F&& function) {
  using Value = decltype(function());
  // The tasks own it: the waiting thread may be gone before the one that tells it has returned.
  std::promise<Value> done;
  auto result = done.get_future();
  worker.Post([&worker, &function, done = std::move(done)]() mutable {
    if constexpr (std::is_void_v<Value>) {
      function();
      worker.Post([done = std::move(done)]() mutable { done.set_value(); });
    } else {
      worker.Post([done = std::move(done), value = function()]() mutable { done.set_value(std::move(value)); });
    }
  });
  return result.get();
}

}  // namespace sgw::core::testing
