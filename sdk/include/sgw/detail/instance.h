// An instance as the C boundary knows it: the plugin's object and its line to the host.
#pragma once

#include <sgw/detail/asks.h>
#include <sgw/detail/link.h>
#include <sgw/host.h>

#include <memory>
#include <utility>

namespace sgw::detail {

template <typename Kind>
struct Instance {
  Instance(const sgw_host_table* table, sgw_host* handle, const sgw_create_args& args)
      : link(std::make_shared<Link>(table, handle)),
        host(link, std::string(Text(args.instance_name)), std::string(Text(args.configuration_directory))) {}
  ~Instance() {
    plugin.reset();
    link->CloseHost();
  }

  static Instance& Of(sgw_instance* raw) { return *reinterpret_cast<Instance*>(raw); }
  sgw_instance* raw() { return reinterpret_cast<sgw_instance*>(this); }

  // A question that is answered by return.
  template <typename A, typename F>
  std::int32_t Ask(const char* where, sgw_ask ask, F question) noexcept {
    try {
      return Asking<A>(link, pending, ask).Run(where, std::move(question));
    } catch (...) {
      return -1;  // Out of memory: the host ends the call with INTERNAL.
    }
  }

  // A question that is answered through a completion.
  template <typename A, typename F>
  std::int32_t AskLater(const char* where, sgw_ask ask, F question) noexcept {
    try {
      return Run(where, MakeCompletion<A>(link, pending, ask), std::move(question));
    } catch (...) {
      return -1;
    }
  }
  template <typename A, typename F>
  std::int32_t Run(const char* where, Completion<A> done, F question) {
    if (!Guard(where, [&] { question(done); })) done(A(Internal("the plugin failed inside (an exception)")));
    return SGW_PENDING;
  }

  // Runs the plugin's code; false when it threw.
  template <typename F>
  bool Guard(const char* where, F run) noexcept {
    try {
      run();
      return true;
    } catch (const std::exception& error) {
      link->Thrown(where, error.what());
    } catch (...) {
      link->Thrown(where, "something that is no std::exception");
    }
    return false;
  }

  std::shared_ptr<Link> link;
  std::shared_ptr<PendingAsks> pending = std::make_shared<PendingAsks>();
  Host host;
  std::unique_ptr<Kind> plugin;
};

}  // namespace sgw::detail
