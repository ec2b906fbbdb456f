// Sessions: who is bound to which server.
//
// A session is known by (realm, subject, session_id). The first call that may create it takes a server for its sharing
// key and binds it; every later one finds it here, without its routing headers. What is gone stays gone: a session
// whose server was lost, or that was ended, is remembered by a tombstone for a day, and no call ever moves it
// elsewhere.
//
// Safe for concurrent use. Place() is asked on a worker and answers there; tickets live on the worker of their call.
#pragma once

#include <sgw/values.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/connect/first_fields.h"
#include "core/connect/methods.h"
#include "core/pipeline/pipeline.h"
#include "core/upstream/endpoint_table.h"

namespace sgw::core {

struct SessionEntry;
class SessionTable;

// The right of one stream to its session's server. While it lives, the session does not expire.
class SessionTicket {
 public:
  SessionTicket(SessionTable& table, std::shared_ptr<SessionEntry> session, const MethodFacts& method,
                FirstFields fields);
  // Without Finished() before, the stream counts as one that was broken off.
  ~SessionTicket();
  SessionTicket(const SessionTicket&) = delete;
  SessionTicket& operator=(const SessionTicket&) = delete;

  const Endpoint& endpoint() const;
  const Route& route() const;

  // CloneSession: the new session lives on the same server, and shares its lease. Before the answer goes to the client.
  void BindClone(const std::string& new_session_id);
  // How the stream ended. `has_result_complete`: the operation said that it is complete; `operation_id` from the
  // response when the request had none. Once.
  void Finished(StatusCode code, bool has_result_complete, const std::string& operation_id);

 private:
  SessionTable& table_;
  const std::shared_ptr<SessionEntry> session_;
  const MethodFacts& method_;
  const FirstFields fields_;
  bool is_finished_ = false;
};

// Where a call of Spark Connect goes.
struct Placement {
  // Null: nowhere; the call is answered with the method's empty success (core/connect: EmptyReply).
  std::shared_ptr<SessionTicket> ticket;
};

struct SessionView {
  std::string session_id;
  std::string subject;
  std::string realm;
  std::string namespace_;
  std::string endpoint;
  std::string state;  // "bound", "lost", "closed"
  std::string lease_id;
  std::string source;
  std::chrono::milliseconds age{};
  std::chrono::milliseconds idle{};
  int open_streams = 0;
  std::size_t operations = 0;
};

class Sessions {
 public:
  // The pipeline, table of endpoints, and services outlive it. Opens and locks the journal of `config.state`.
  // FAILED_PRECONDITION: another process holds the journal, or it cannot be read.
  static Result<std::unique_ptr<Sessions>> Create(const Config& config, std::shared_ptr<const Pipeline> pipeline,
                                                  EndpointTable& endpoints, HostServices& services);
  ~Sessions();

  // Finds the session of a call, or makes one where the method may; everything of design section 2, steps 3 to 6.
  // context.identity is there, with its claim filled in. Sets context.route and, at a refusal, context.refused_by.
  // `done` is called once, perhaps before this returns, and not after the Run was dropped; the context outlives the
  // Run.
  std::unique_ptr<Run> Place(CallContext& context, const FirstFields& fields, const MethodFacts& method,
                             std::function<void(Result<Placement>)> done);

  // Any thread.
  std::vector<SessionView> List() const;
  // NOT_FOUND, or FAILED_PRECONDITION when several subjects have a session of that id and none is named.
  Status End(const std::string& session_id, const std::string& subject);
  // Takes up the sessions that the journal has. Once, when every plugin has started.
  void Restore();
  // Begins the clean-up that runs every second on the control thread.
  void StartSweeping();
  // Writes what is queued for the journal, and sweeps no more. Bindings and leases stay: a restart finds them.
  void Stop();

 private:
  explicit Sessions(std::unique_ptr<SessionTable> table);
  std::unique_ptr<SessionTable> table_;
};

}  // namespace sgw::core
