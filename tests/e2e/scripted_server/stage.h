// The stage on which calls play their scripts: what all services of one scripted server share.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/scripted_server/script.h"

namespace sgw::testing {

// A request as the server has parsed it. Of a stream: its last message, and the sums.
struct RecordedRequest {
  std::string method;  // "ExecutePlan", "Echo.Unary"
  std::multimap<std::string, std::string> metadata;
  bool has_deadline = false;
  std::string session_id;
  std::string user_id;
  std::string user_name;
  std::string client_type;
  std::string operation_id;
  std::string observed_session;    // client_observed_server_side_session_id
  std::set<std::string> user_ids;  // of all messages
  int extensions = 0;              // of user_context
  int messages = 0;
  std::size_t bytes = 0;  // of plans, artifacts and payloads
  int responses = 0;      // written
  bool has_ended = false;
  bool was_cancelled = false;  // by the client, as far as the server has heard
};

// Hears of each call twice, in a line of JSON: `{"event":"began","call":0,"method":...}` and, as "ended", all that the
// record has. Line by line, from the thread of the call.
using Tell = std::function<void(const std::string& line)>;

// Safe for concurrent use.
class Stage {
 public:
  explicit Stage(Script script, Tell tell = nullptr) : script_(std::move(script)), tell_(std::move(tell)) {}

  // Notes a call and gives its number.
  std::size_t Enter(const std::string& method, const grpc::ServerContext& context);
  template <typename Change>
  void Update(std::size_t number, const Change& change) {
    const std::lock_guard lock(mutex_);
    change(requests_[number]);
    changed_.notify_all();
  }

  // The call's last change.
  void Leave(std::size_t number, bool was_cancelled);

  // The script of a call: the server's, and what its metadata say.
  Script ScriptOf(const grpc::ServerContext& context) const;

  // Waits; false when the call was cancelled or the server stops meanwhile.
  bool Pause(const grpc::ServerContext& context, Duration duration);
  // Waits for the call to be cancelled or the server to stop.
  void Hang(const grpc::ServerContext& context);

  void Stop();

  std::vector<RecordedRequest> requests() const;
  // False when the requests do not satisfy the claim within ten seconds.
  template <typename Claim>
  bool WaitFor(const Claim& claim) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return claim(requests_); });
  }

 private:
  const Script script_;
  const Tell tell_;
  mutable std::mutex mutex_;  // Guards all below.
  std::condition_variable changed_;
  std::vector<RecordedRequest> requests_;
  bool is_stopping_ = false;
};

// One call on its stage, from its entry to its end.
class Performance {
 public:
  Performance(Stage& stage, const std::string& method, grpc::ServerContext& context);
  ~Performance();
  Performance(const Performance&) = delete;

  // The script's delay and initial metadata, and the fault when it is due before any response. Not OK: ends the call.
  grpc::Status Begin();
  // Before the next response of a stream: the pause, or the fault that is due. Not OK: ends the call.
  grpc::Status BeforeResponse();
  void CountResponse();

  // Notes what a message says. Fields that it does not have stay as they were.
  template <typename Request>
  void Note(const Request& request);
  template <typename Change>
  void Update(const Change& change) {
    stage_.Update(number_, change);
  }

  const Script& script() const { return script_; }
  int responses() const { return responses_; }

 private:
  grpc::Status Fault();

  Stage& stage_;
  grpc::ServerContext& context_;
  const std::size_t number_;
  Script script_;
  grpc::Status script_error_;
  int responses_ = 0;
};

template <typename Request>
void Performance::Note(const Request& request) {
  Update([&](RecordedRequest& record) {
    ++record.messages;
    record.session_id = request.session_id();
    record.user_id = request.user_context().user_id();
    record.user_name = request.user_context().user_name();
    record.user_ids.insert(record.user_id);
    record.extensions = request.user_context().extensions_size();
    record.client_type = request.client_type();
    if constexpr (requires { request.operation_id(); }) record.operation_id = request.operation_id();
    if constexpr (requires { request.client_observed_server_side_session_id(); }) {
      record.observed_session = request.client_observed_server_side_session_id();
    }
    if constexpr (requires { request.plan(); }) record.bytes += request.plan().size();
    if constexpr (requires { request.batch(); }) {
      record.bytes += request.batch().size() + request.begin_chunk().size() + request.chunk().size();
    }
  });
}

}  // namespace sgw::testing
