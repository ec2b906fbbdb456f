#pragma once

#include <sgw/completion.h>
#include <sgw/values.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

// Launcher makes and ends servers; WarmPool<Launcher> turns one into a HotPool and has everything that is hard: how
// many per namespace, single flight, leases, growing pauses, ages, adoption after a restart, orphans, metrics.
//
// Asked on the control thread. Completions and ReportGone() may be called from any thread. Nothing here blocks.
class Launcher {
 public:
  Launcher() = default;
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;
  virtual ~Launcher() = default;

  // Makes a server for the route; answers when it answers gRPC. `id` is made by the pool and is never used again by any
  // process: lower-case letters, digits and dashes, at most 63. A Status is shown to the caller who waits, so it says
  // why.
  virtual void Start(const Route& route, std::string id, PhaseReport phase, Completion<Result<Server>> done) = 0;
  // Ends a server. The pool asks again until it is OK; NOT_FOUND counts as OK. Also asked about a start that failed or
  // was given up, with nothing but `server.id`: what there is of it goes, and a start that is not answered yet fails.
  virtual void Stop(const Server& server, Completion<Status> done) = 0;
  // All servers of this instance that exist, asked once at the start: the pool adopts or ends them.
  virtual void List(Completion<Result<std::vector<Server>>> done) = 0;

  // For the pool: where ReportGone goes. Set before anything is started.
  void OnGone(std::function<void(std::string_view id, std::string_view reason)> tell) { on_gone_ = std::move(tell); }

 protected:
  // To be called when a server that was started or listed has ended by itself; `reason` is read by its callers:
  // "killed, out of memory". Any thread; unknown ids are ignored.
  void ReportGone(std::string_view id, std::string_view reason) const {
    if (on_gone_) on_gone_(id, reason);
  }

 private:
  std::function<void(std::string_view, std::string_view)> on_gone_;
};

}  // namespace sgw
