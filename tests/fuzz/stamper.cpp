// The request side of a Spark Connect call: what the stamper lets through must be read by protobuf's own parser as the
// same message of the verified user, and what was read of its beginning must be what that parser reads.
#include "core/connect/stamper.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>
#include <memory>

#include "core/connect/first_fields.h"
#include "core/connect/reply_reader.h"
#include "spark_connect/base.pb.h"
#include "tests/core/connect/wire.h"
#include "tests/fuzz/input.h"

namespace sgw::core {
namespace {

using fuzz::Require;
using google::protobuf::Message;

struct Method {
  std::string_view path;
  const Message& request;
};

template <typename Request>
Method Of(std::string_view path) {
  return {path, Request::default_instance()};
}

const Method& MethodAt(std::size_t index) {
  using namespace spark::connect;
  static const std::array methods = {
      Of<ExecutePlanRequest>("/spark.connect.SparkConnectService/ExecutePlan"),
      Of<AnalyzePlanRequest>("/spark.connect.SparkConnectService/AnalyzePlan"),
      Of<ConfigRequest>("/spark.connect.SparkConnectService/Config"),
      Of<AddArtifactsRequest>("/spark.connect.SparkConnectService/AddArtifacts"),
      Of<ArtifactStatusesRequest>("/spark.connect.SparkConnectService/ArtifactStatus"),
      Of<InterruptRequest>("/spark.connect.SparkConnectService/Interrupt"),
      Of<ReattachExecuteRequest>("/spark.connect.SparkConnectService/ReattachExecute"),
      Of<ReleaseExecuteRequest>("/spark.connect.SparkConnectService/ReleaseExecute"),
      Of<ReleaseSessionRequest>("/spark.connect.SparkConnectService/ReleaseSession"),
      Of<FetchErrorDetailsRequest>("/spark.connect.SparkConnectService/FetchErrorDetails"),
      Of<CloneSessionRequest>("/spark.connect.SparkConnectService/CloneSession"),
      Of<GetStatusRequest>("/spark.connect.SparkConnectService/GetStatus"),
  };
  return methods[index % methods.size()];
}

// One field of a parsed message, by its name.
struct Field {
  const Message& message;
  const char* name;
  const google::protobuf::FieldDescriptor* found = message.GetDescriptor()->FindFieldByName(name);

  std::string Text() const { return found ? message.GetReflection()->GetString(message, found) : ""; }
  bool Flag() const { return found && message.GetReflection()->GetBool(message, found); }
  bool is_set() const { return found && message.GetReflection()->HasField(message, found); }
  const Message& Inner() const { return message.GetReflection()->GetMessage(message, found); }
};

// Writes the verified identity the way in which protobuf's own setters do.
void Identify(Message& message, const std::string& user, const std::string& name) {
  const auto* const reflection = message.GetReflection();
  reflection->SetString(&message, message.GetDescriptor()->FindFieldByName("session_id"), kSession);
  auto* const context = static_cast<spark::connect::UserContext*>(
      reflection->MutableMessage(&message, message.GetDescriptor()->FindFieldByName("user_context")));
  context->set_user_id(user);
  context->set_user_name(name);
}

void CheckStamped(const Message& prototype, const std::string& sent, const std::string& got, const std::string& user,
                  const std::string& name) {
  const std::unique_ptr<Message> before(prototype.New());
  const std::unique_ptr<Message> after(prototype.New());
  const bool was_message = before->ParseFromString(sent);
  Require(after->ParseFromString(got) == was_message, "a stamp neither breaks a message nor mends one");
  if (!was_message) return;
  const auto& context = static_cast<const spark::connect::UserContext&>(Field{*after, "user_context"}.Inner());
  Require(context.user_id() == user && context.user_name() == name, "the driver reads the verified user");
  Require(Field{*after, "session_id"}.Text() == kSession, "the driver reads the session of the call");
  Identify(*before, user, name);
  Require(before->SerializeAsString() == after->SerializeAsString(), "all else is what the client sent");
}

// What was read of a first message, but for whom it names.
void CheckFields(const Method& method, const FirstFields& read, const Message& message) {
  const auto agree = [](const std::string& ours, const std::string& theirs, std::size_t most) {
    return theirs.size() > most || ours == theirs;
  };
  Require(agree(read.client_type, Field{message, "client_type"}.Text(), 256), "both read the same client_type");
  if (method.path.find("Execute") != std::string_view::npos) {
    Require(agree(read.operation_id, Field{message, "operation_id"}.Text(), 128), "both read the same operation_id");
  }
  if (method.path.ends_with("ExecutePlan")) {
    const auto& options = static_cast<const spark::connect::ExecutePlanRequest&>(message).request_options();
    const bool is_reattachable = std::any_of(options.begin(), options.end(),
                                             [](const auto& one) { return one.reattach_options().reattachable(); });
    Require(read.is_reattachable || !is_reattachable, "a reattachable operation is known as one");
  }
  Require(agree(read.new_session_id, Field{message, "new_session_id"}.Text(), 4096), "both read the new session_id");
  Require(read.has_observed_id || Field{message, "client_observed_server_side_session_id"}.Text().empty(),
          "an observed session is seen");
  Require(read.is_release_all == Field{message, "release_all"}.is_set(), "both read the same release_all");
  Require(read.allows_reconnect == Field{message, "allow_reconnect"}.Flag(), "both read the same allow_reconnect");
}

void CheckFirstFields(const Method& method, std::string_view stream) {
  const auto read = ReadFirstFields(FactsOf(method.path), stream.substr(0, kMaxHeldBytes));
  const Messages messages = Unframed(stream);
  if (!read || messages.messages.empty() || messages.messages[0].size() + 5 > kMaxHeldBytes) return;
  const std::unique_ptr<Message> message(method.request.New());
  if (!message->ParseFromString(messages.messages[0])) return;
  const auto& context = static_cast<const spark::connect::UserContext&>(Field{*message, "user_context"}.Inner());
  Require(read->session_id == Field{*message, "session_id"}.Text(), "both read the same session_id");
  Require(read->user_id == context.user_id(), "both read the same user");
  CheckFields(method, *read, *message);
}

// The same, as it is read while the message passes, whatever its size.
void CheckPassed(const Method& method, const std::vector<FirstFields>& read, const Messages& got) {
  Require(read.size() == (got.messages.empty() ? 0 : 1), "the first message is read once, when it is whole");
  const std::unique_ptr<Message> message(method.request.New());
  if (!read.empty() && message->ParseFromString(got.messages[0])) CheckFields(method, read[0], *message);
}

// Whatever a driver answers is taken in, in pieces as in one.
void CheckReplies(const Method& method, std::string_view stream, std::size_t piece_size) {
  ReplyReader whole(FactsOf(method.path));
  ReplyReader pieces(FactsOf(method.path));
  whole.Feed(stream);
  for (; !stream.empty(); stream.remove_prefix(std::min(piece_size, stream.size()))) {
    pieces.Feed(stream.substr(0, piece_size));
  }
  Require(whole.has_result_complete() == pieces.has_result_complete() &&
              whole.operation_id() == pieces.operation_id() && whole.new_session_id() == pieces.new_session_id(),
          "replies are read alike, however they are cut");
}

void Check(fuzz::Input input) {
  const Method& method = MethodAt(input.Byte());
  const std::size_t piece_size = std::size_t{input.Byte()} + 1;
  const bool has_names = input.Byte() % 2 == 0;
  const std::string user = has_names ? "ann" : "", name = has_names ? "Ann" : "";
  const std::string_view stream = input.Rest();
  const std::string stamp = MakeStamp(kSession, user, name);

  Stamped whole(stamp);
  Stamped pieces(stamp);
  whole.stamper.ReadFirst(FactsOf(method.path));
  pieces.stamper.ReadFirst(FactsOf(method.path));
  const Status status = whole.Send(stream);
  const Status status_of_pieces = pieces.Send(stream, piece_size);
  Require(status.code() == status_of_pieces.code(), "a stream is judged alike, however it is cut");
  const Messages sent = Unframed(stream);
  const Messages got = Unframed(whole.sent);
  Require(got.messages == Unframed(pieces.sent).messages, "the driver gets the same, however the stream is cut");
  Require(got.messages.size() == static_cast<std::size_t>(whole.stamps), "no message is whole without its stamp");
  Require(got.messages.size() <= sent.messages.size(), "no message is made up");
  if (status.ok()) {
    Require(sent.is_whole && got.is_whole && got.messages.size() == sent.messages.size(), "all messages go on");
  }
  for (std::size_t i = 0; i < got.messages.size(); ++i) {
    Require(got.messages[i] == sent.messages[i] + stamp, "a message goes on with its stamp behind it");
    CheckStamped(method.request, sent.messages[i], got.messages[i], user, name);
  }
  CheckFirstFields(method, stream);
  CheckPassed(method, whole.first, got);
  CheckPassed(method, pieces.first, got);
  CheckReplies(method, stream, piece_size);
}

}  // namespace
}  // namespace sgw::core

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const google::protobuf::LogSilencer silencer;  // many strings are no UTF-8
  sgw::core::Check({data, size});
  return 0;
}
