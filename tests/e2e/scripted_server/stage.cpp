#include "tests/e2e/scripted_server/stage.h"

#include <sgw/json.h>

#include <stdexcept>

namespace sgw::testing {
namespace {

// grpc's blocking server tells of a cancellation only when it is asked.
constexpr std::chrono::milliseconds kAskAgain{5};

std::string ToString(grpc::string_ref text) { return {text.data(), text.size()}; }

std::string LineOf(std::size_t number, const RecordedRequest& record) {
  JsonWriter json;
  json.BeginObject().Key("event").Value(record.has_ended ? "ended" : "began");
  json.Key("call").Value(number).Key("method").Value(record.method);
  if (record.has_ended) {
    json.Key("session_id").Value(record.session_id).Key("user_id").Value(record.user_id);
    json.Key("operation_id").Value(record.operation_id);
    json.Key("messages").Value(record.messages).Key("bytes").Value(record.bytes);
    json.Key("responses").Value(record.responses).Key("was_cancelled").Value(record.was_cancelled);
  }
  json.EndObject();
  return std::move(json).Text();
}

}  // namespace

std::size_t Stage::Enter(const std::string& method, const grpc::ServerContext& context) {
  RecordedRequest record;
  record.method = method;
  for (const auto& [name, value] : context.client_metadata()) record.metadata.emplace(ToString(name), ToString(value));
  record.has_deadline = context.deadline() != std::chrono::system_clock::time_point::max();
  const std::lock_guard lock(mutex_);
  if (tell_) tell_(LineOf(requests_.size(), record));
  requests_.push_back(std::move(record));
  changed_.notify_all();
  return requests_.size() - 1;
}

void Stage::Leave(std::size_t number, bool was_cancelled) {
  Update(number, [&](RecordedRequest& record) {
    record.has_ended = true;
    record.was_cancelled = was_cancelled;
    if (tell_) tell_(LineOf(number, record));
  });
}

Script Stage::ScriptOf(const grpc::ServerContext& context) const {
  Script script = script_;
  for (const char* name : {"x-script", "x-fault"}) {
    const auto [begin, end] = context.client_metadata().equal_range(name);
    for (auto header = begin; header != end; ++header) ReadScript(ToString(header->second), script);
  }
  return script;
}

bool Stage::Pause(const grpc::ServerContext& context, Duration duration) {
  const auto until = std::chrono::steady_clock::now() + duration;
  std::unique_lock lock(mutex_);
  while (!is_stopping_ && !context.IsCancelled()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= until) return true;
    changed_.wait_until(lock, std::min(until, now + kAskAgain), [this] { return is_stopping_; });
  }
  return false;
}

void Stage::Hang(const grpc::ServerContext& context) {
  while (Pause(context, std::chrono::hours(1))) continue;
}

void Stage::Stop() {
  const std::lock_guard lock(mutex_);
  is_stopping_ = true;
  changed_.notify_all();
}

std::vector<RecordedRequest> Stage::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

Performance::Performance(Stage& stage, const std::string& method, grpc::ServerContext& context)
    : stage_(stage), context_(context), number_(stage.Enter(method, context)) {
  try {
    script_ = stage.ScriptOf(context);
  } catch (const std::invalid_argument& error) {
    script_error_ = {grpc::StatusCode::INVALID_ARGUMENT, error.what()};
  }
}

Performance::~Performance() { stage_.Leave(number_, context_.IsCancelled()); }

grpc::Status Performance::Begin() {
  if (!script_error_.ok()) return script_error_;
  if (script_.metadata > 0) context_.AddInitialMetadata("x-padding", std::string(script_.metadata, 'p'));
  if (script_.delay > Duration::zero() && !stage_.Pause(context_, script_.delay)) return grpc::Status::CANCELLED;
  return script_.after == 0 ? Fault() : grpc::Status::OK;
}

grpc::Status Performance::BeforeResponse() {
  if (responses_ > 0 && script_.pause > Duration::zero() && !stage_.Pause(context_, script_.pause)) {
    return grpc::Status::CANCELLED;
  }
  return responses_ >= script_.after ? Fault() : grpc::Status::OK;
}

void Performance::CountResponse() {
  ++responses_;
  Update([](RecordedRequest& record) { ++record.responses; });
}

grpc::Status Performance::Fault() {
  if (!script_.has_fault()) return grpc::Status::OK;
  if (script_.hangs) stage_.Hang(context_);
  if (script_.resets) context_.TryCancel();
  return script_.status != 0 ? script_.FaultStatus() : grpc::Status::CANCELLED;
}

}  // namespace sgw::testing
