#include "tests/e2e/scripted_server/spark_sessions.h"

#include <cstdio>
#include <random>

#include "core/connect/first_fields.h"
#include "tests/e2e/scripted_server/script.h"

namespace sgw::testing {

std::string RandomUuid() {
  std::random_device random;
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-8%03x-%08x%04x", random(), random() & 0xffff, random() & 0xfff,
                random() & 0xfff, random(), random() & 0xffff);
  return text;
}

grpc::Status SparkSessions::Find(const SessionKey& key, const std::string& observed, bool may_create,
                                 std::string* server_session) {
  if (!core::IsUuid(key.session_id)) return SparkErrorStatus("INVALID_HANDLE.FORMAT", key.session_id);
  const std::lock_guard lock(mutex_);
  if (closed_.contains(key)) return SparkErrorStatus("INVALID_HANDLE.SESSION_CLOSED", key.session_id);
  if (!may_create && !sessions_.contains(key)) {
    return SparkErrorStatus("INVALID_HANDLE.SESSION_NOT_FOUND", key.session_id);
  }
  Session& session = sessions_[key];
  if (session.server_session.empty()) session.server_session = RandomUuid();
  if (!observed.empty() && observed != session.server_session) {
    return SparkErrorStatus("INVALID_HANDLE.SESSION_CHANGED", key.session_id);
  }
  *server_session = session.server_session;
  return grpc::Status::OK;
}

void SparkSessions::Release(const SessionKey& key, bool allows_reconnect) {
  const std::lock_guard lock(mutex_);
  if (sessions_.erase(key) > 0 && !allows_reconnect) closed_.insert(key);
}

grpc::Status SparkSessions::Clone(const SessionKey& key, std::string* new_session, std::string* new_server_session) {
  if (new_session->empty()) *new_session = RandomUuid();
  return Find({key.user_id, *new_session}, "", true, new_server_session);
}

grpc::Status SparkSessions::Start(const SessionKey& key, const std::string& operation_id, const Execution& execution) {
  const std::lock_guard lock(mutex_);
  if (sessions_[key].operations.emplace(operation_id, execution).second) return grpc::Status::OK;
  return SparkErrorStatus("INVALID_HANDLE.OPERATION_ALREADY_EXISTS", operation_id);
}

grpc::Status SparkSessions::Resume(const SessionKey& key, const std::string& operation_id, Execution* execution) {
  const std::lock_guard lock(mutex_);
  const auto& operations = sessions_[key].operations;
  const auto found = operations.find(operation_id);
  if (found == operations.end()) return SparkErrorStatus("INVALID_HANDLE.OPERATION_NOT_FOUND", operation_id);
  if (!found->second.is_reattachable) return SparkErrorStatus("INVALID_CURSOR.NOT_REATTACHABLE", operation_id);
  *execution = found->second;
  return grpc::Status::OK;
}

void SparkSessions::End(const SessionKey& key, const std::string& operation_id) {
  const std::lock_guard lock(mutex_);
  const auto session = sessions_.find(key);
  if (session != sessions_.end()) session->second.operations.erase(operation_id);
}

std::vector<std::string> SparkSessions::Operations(const SessionKey& key) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  const auto session = sessions_.find(key);
  if (session == sessions_.end()) return ids;
  for (const auto& [id, execution] : session->second.operations) ids.push_back(id);
  return ids;
}

std::vector<SessionKey> SparkSessions::keys() const {
  const std::lock_guard lock(mutex_);
  std::vector<SessionKey> keys;
  for (const auto& [key, session] : sessions_) keys.push_back(key);
  return keys;
}

}  // namespace sgw::testing
