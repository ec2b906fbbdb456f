// SessionTicket: the right of one stream to its session's server.
#pragma once

#include <sgw/values.h>

#include <boost/intrusive/list_hook.hpp>
#include <functional>
#include <memory>
#include <string>

#include "core/connect/first_fields.h"
#include "core/connect/methods.h"
#include "core/plugin/call_facts.h"
#include "core/session/limits.h"
#include "core/worker/worker.h"

namespace sgw::core {

struct SessionEntry;
struct SessionRoute;
class SessionTable;

// How a stream ended.
struct StreamEnd {
  StatusCode code = StatusCode::kCancelled;
  bool is_driver_answer = false;     // else it broke off, and its operation may run on
  bool was_sent = true;              // false: the driver saw nothing of it
  bool has_result_complete = false;  // the operation said so
  std::string operation_id{};        // of the response
};

// While it lives, the session does not expire, and a leased server is nobody else's. On the worker of its call.
class SessionTicket : public std::enable_shared_from_this<SessionTicket>, public boost::intrusive::list_base_hook<> {
 public:
  // The hold is of what the call begins: an operation, or another session.
  SessionTicket(SessionTable& table, std::shared_ptr<SessionEntry> session, std::shared_ptr<const SessionRoute> route,
                std::shared_ptr<const CallFacts> facts, const MethodFacts& method, const FirstFields& fields,
                Hold hold);
  // Without Finished() before, the stream counts as one that broke off.
  ~SessionTicket();
  SessionTicket(const SessionTicket&) = delete;
  SessionTicket& operator=(const SessionTicket&) = delete;

  const Endpoint& endpoint() const { return *endpoint_; }
  const Route& route() const;

  // Called at most once, when the session has ended under the stream: an operator did that, or its server is lost. The
  // stream is to end with this status.
  void OnCut(std::function<void(const Status&)> on_cut) { on_cut_ = std::move(on_cut); }
  // The first message was longer than what was read of it before: this is all that it says.
  void Learn(const FirstFields& fields);
  // The call may go to the driver: an operation that it starts, or listens to, runs from now on.
  void BeginOperation();
  // CloneSession: the new session lives on the same server, and shares its lease. Before the answer goes to the client.
  void BindClone(const std::string& new_session_id);
  // Nothing more is to be had of the server as it was bound: whoever begins anew is given what is known of servers now.
  // Operators have heard why.
  void LoseServer(const std::string& why);
  // Once. True: an operation has ended by it, and nobody was told of that yet.
  bool Finished(const StreamEnd& end);

 private:
  friend class SessionTable;

  SessionTable& table_;
  const std::shared_ptr<SessionEntry> session_;
  const std::shared_ptr<const Endpoint> endpoint_;
  const std::shared_ptr<const SessionRoute> route_;
  const std::shared_ptr<const CallFacts> facts_;
  const MethodFacts& method_;
  std::string operation_id_;
  bool is_reattachable_ = false;
  bool is_release_all_ = false;
  bool allows_reconnect_ = false;
  Hold hold_;
  Worker& worker_;
  std::function<void(const Status&)> on_cut_;
  bool is_attached_ = false;  // the table counts it
  bool has_operation_ = false;
};

}  // namespace sgw::core
