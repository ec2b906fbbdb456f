// The sessions and operations of a scripted Spark Connect server, kept and refused as Spark does: a session belongs to
// (user_id, session_id), both as the request says them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <compare>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace sgw::testing {

struct SessionKey {
  std::string user_id;
  std::string session_id;
  friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
};

// What an execution answers with: `responses` batches of `bytes`, then ResultComplete. The responses are not kept, they
// are the same each time.
struct Execution {
  int responses = 0;
  std::size_t bytes = 0;
  bool is_reattachable = false;
};

// Every grpc::Status is one of Spark's errors, or OK. Safe for concurrent use.
class SparkSessions {
 public:
  // Gives server_side_session_id. INVALID_HANDLE.FORMAT, SESSION_CLOSED, SESSION_NOT_FOUND (unless it may be created),
  // SESSION_CHANGED when the client has seen another one.
  grpc::Status Find(const SessionKey& key, const std::string& observed, bool may_create, std::string* server_session);
  // SESSION_CLOSED from now on, unless the client may come back. An unknown session is no error.
  void Release(const SessionKey& key, bool allows_reconnect);
  // Makes the new session with the name that it is given, or one of its own.
  grpc::Status Clone(const SessionKey& key, std::string* new_session, std::string* new_server_session);

  // OPERATION_ALREADY_EXISTS. Of a known session only.
  grpc::Status Start(const SessionKey& key, const std::string& operation_id, const Execution& execution);
  // OPERATION_NOT_FOUND; INVALID_CURSOR.NOT_REATTACHABLE.
  grpc::Status Resume(const SessionKey& key, const std::string& operation_id, Execution* execution);
  void End(const SessionKey& key, const std::string& operation_id);
  std::vector<std::string> Operations(const SessionKey& key) const;

  std::vector<SessionKey> keys() const;

 private:
  struct Session {
    std::string server_session;
    std::map<std::string, Execution> operations;
  };

  mutable std::mutex mutex_;  // Guards all below.
  std::map<SessionKey, Session> sessions_;
  std::set<SessionKey> closed_;
};

// A random id in the form of a UUID.
std::string RandomUuid();

}  // namespace sgw::testing
