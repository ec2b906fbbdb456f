// The server behind every proxy of the benchmark: grpc++'s generic service on one thread. It does as little as a gRPC
// server can; what it is asked for stands in the method's name:
//
//     .../Stream     answers one message with `x-messages` of `x-size` bytes
//     .../Upload     reads to the end, answers with nothing (so does .../AddArtifacts)
//     .../Hold       stays open until its caller leaves
//     .../Config     answers one message with a Spark Connect ConfigResponse of 170 bytes
//     anything else  answers one message with the same message
//
// Prints "listening on 127.0.0.1:PORT"; ends when its standard input does.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using grpc::ByteBuffer;

// One call, and what it does next when its outstanding operation is done.
class Call {
 public:
  Call(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue), stream_(&context_) {
    service_.RequestCall(&context_, &stream_, &queue_, &queue_, this);
  }

  void Proceed(bool ok) {
    switch (state_) {
      case State::kAccepted:
        if (!ok) return delete this;
        new Call(service_, queue_);
        Accept();
        return;
      case State::kReadingOne: return ok ? Answer() : Finish();
      case State::kReadingAll: return ok ? stream_.Read(&message_, this) : Finish(ByteBuffer(&nothing_, 1));
      case State::kWriting: return ok ? WriteNext() : Finish();
      case State::kFinished: return delete this;
    }
  }

 private:
  enum class State { kAccepted, kReadingOne, kReadingAll, kWriting, kFinished };

  bool Is(const char* method) const { return context_.method().ends_with(method); }
  std::size_t Number(const char* header) const {
    const auto found = context_.client_metadata().find(header);
    return found == context_.client_metadata().end() ? 0 : std::strtoul(found->second.data(), nullptr, 10);
  }

  void Accept() {
    const bool reads_all = Is("/Upload") || Is("/AddArtifacts") || Is("/Hold");
    state_ = reads_all ? State::kReadingAll : State::kReadingOne;
    stream_.Read(&message_, this);
  }

  void Answer() {
    if (Is("/Config")) return Finish(Configured());
    if (!Is("/Stream")) return Finish(message_);
    left_ = Number("x-messages");
    message_ = Zeros(Number("x-size"));
    state_ = State::kWriting;
    WriteNext();
  }

  void WriteNext() {
    if (left_ == 0) return Finish();
    if (--left_ == 0) return Finish(message_);
    stream_.Write(message_, this);
  }

  void Finish() {
    state_ = State::kFinished;
    stream_.Finish(grpc::Status::OK, this);
  }
  void Finish(const ByteBuffer& last) {
    state_ = State::kFinished;
    stream_.WriteAndFinish(last, grpc::WriteOptions(), grpc::Status::OK, this);
  }

  // session_id, and a pair that fills the rest.
  static const ByteBuffer& Configured() {
    static const grpc::Slice slice("\x0a\x24" + std::string(36, '0') + "\x12\x81\x01" + std::string(129, 'x'));
    static const ByteBuffer message(&slice, 1);
    return message;
  }

  // A message of any size without its memory: all of them show the same megabyte.
  static ByteBuffer Zeros(std::size_t size) {
    static const std::string megabyte(1 << 20, '\0');
    std::vector<grpc::Slice> slices;
    for (; size > 0; size -= slices.back().size()) {
      slices.emplace_back(megabyte.data(), std::min(size, megabyte.size()), grpc::Slice::STATIC_SLICE);
    }
    return {slices.data(), slices.size()};
  }

  grpc::AsyncGenericService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  State state_ = State::kAccepted;
  ByteBuffer message_;
  const grpc::Slice nothing_;
  std::size_t left_ = 0;
};

}  // namespace

int main() {
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.RegisterAsyncGenericService(&service);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 0);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  for (int i = 0; i < 200; ++i) new Call(service, *queue);
  std::printf("listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);

  std::thread([] {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    _exit(0);  // Its callers are gone, or about to go; there is nothing to keep.
  }).detach();
  void* tag = nullptr;
  for (bool ok = false; queue->Next(&tag, &ok);) static_cast<Call*>(tag)->Proceed(ok);
}
