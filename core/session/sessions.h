// Sessions: who is bound to which server.
//
// A session is known by (realm, subject, session_id). The first call that may create it takes a server for its sharing
// key and binds it; every later one finds it here, without its routing headers. What is gone stays gone: a session
// whose server was lost, or that was ended, is remembered by a tombstone for a day, and no call ever moves it
// elsewhere.
//
// Servers are found through the pipeline and shared as `share` says; see servers.h. Bindings are written down, see
// store.h.
//
// Safe for concurrent use. Place() is asked on a worker and answers there; tickets live on the worker of their call.
#pragma once

#include <sgw/values.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/pipeline/pipeline.h"
#include "core/session/ticket.h"
#include "core/upstream/endpoint_table.h"

namespace sgw::core {

// Where a call of Spark Connect goes.
struct Placement {
  // Null: nowhere; the call is answered with the method's empty success (core/connect: EmptyReply).
  std::shared_ptr<SessionTicket> ticket;
};

// One session, as an operator names it.
struct SessionName {
  std::string session_id{};
  std::string subject{};  // empty: any
  std::string realm{};    // empty: any
};

struct SessionView {
  std::string session_id;
  std::string subject;
  std::string realm;
  std::string namespace_;
  std::string endpoint;
  std::string state;  // "bound", or "lost" until its end is noted
  std::string lease_id;
  std::string source;
  std::chrono::milliseconds age{};
  std::chrono::milliseconds idle{};
  int open_streams = 0;
  std::size_t operations = 0;
};

class Sessions {
 public:
  // The endpoints and services outlive it. Opens and locks the journal of `sessions.state`, and hears from then on what
  // plugins say of servers that are gone: before the first instance starts. FAILED_PRECONDITION: another process holds
  // the journal, or it cannot be read or written.
  static Result<std::unique_ptr<Sessions>> Create(const Config& config, std::shared_ptr<const Pipeline> pipeline,
                                                  EndpointTable& endpoints, HostServices& services);
  // Stops, if Stop was not called. The control thread runs.
  ~Sessions();

  // Takes up the sessions of an earlier process. Once, when every plugin has started: pools are asked for their leases,
  // discoveries for what was not written down.
  void Restore();
  // Begins the clean-up that runs every second on the control thread.
  void StartSweeping();

  // Finds the session of a call, or makes one where the method may; everything of design section 2, steps 3 to 6.
  // context.identity is there, with its claim filled in. Sets context.route and, at a refusal, context.refused_by.
  // Asked on a worker. `done` is called there, once, perhaps before this returns, which then gives null; not after the
  // Run was dropped. The context and the fields outlive the Run.
  std::unique_ptr<Run> Place(CallContext& context, const FirstFields& fields, const MethodFacts& method,
                             std::function<void(Result<Placement>)> done);

  // Counts a call that has no session against the limits of its Route. RESOURCE_EXHAUSTED: it may not go on.
  Status CountCall(const CallContext& context) const;

  // Any thread.
  // Whether the server belongs to somebody's sessions alone, so that no call without a session may go there.
  bool is_leased(const std::string& address) const;
  std::vector<SessionView> List() const;
  // Ends it, and the streams that are open on it. NOT_FOUND, or FAILED_PRECONDITION when several have such a name.
  Status End(const SessionName& name);

  // Nothing more is placed: who waits for a server is refused, and servers that nobody has claimed go back. What is
  // bound is kept for the next process when there is a journal, which is written to its end; otherwise it goes back,
  // too: its sessions have ended, and observers have heard of that when this returns. While the workers and the control
  // thread still run.
  void Stop();

 private:
  Sessions(std::shared_ptr<SessionTable> table, HostServices& services);
  void Sweep();

  std::shared_ptr<SessionTable> table_;
  HostServices& services_;
  Timer sweep_;  // on the control thread
  bool is_stopped_ = false;
};

}  // namespace sgw::core
