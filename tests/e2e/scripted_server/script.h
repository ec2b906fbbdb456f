// What a call is answered with, chosen by its caller.
//
// A client writes it in the metadata `x-script` or `x-fault` (one grammar, the second read after the first):
// `name=value` pairs with semicolons between them, a claim without a value:
//
//     x-script: responses=3; bytes=1000; pause=10ms
//     x-fault: status=14; after=2
#pragma once

#include <grpcpp/grpcpp.h>
#include <sgw/status.h>

#include <string>
#include <string_view>

namespace sgw::testing {

struct Script {
  // What a healthy server does.
  int responses = 1;         // `responses`: batches of an execution, or answers of Echo.ServerStream
  std::size_t bytes = 100;   // `bytes`: in each of them
  std::size_t metadata = 0;  // `metadata`: bytes of an initial header `x-padding`
  int cut = 0;               // `cut`: the stream of an execution ends with OK after so many responses; 0: never
  Duration pause{};          // `pause`: before each response but the first
  Duration delay{};          // `delay`: before anything

  // What a sick one does, after `after` responses of a stream.
  int after = 0;
  int status = 0;           // `status`: ends with this code
  std::string message;      // `message`: its sentence
  std::string error_class;  // `error`: Spark's error class for the ErrorInfo, e.g. INVALID_HANDLE.OPERATION_NOT_FOUND
  std::size_t details = 0;  // `details`: bytes of padding in the error's details
  Duration retry{};         // `retry`: RetryInfo
  bool hangs = false;       // `hang`: never ends by itself
  bool resets = false;      // `reset`: RST_STREAM in the place of a status

  bool has_fault() const { return status != 0 || hangs || resets; }
  // The status of the fault, with its details.
  grpc::Status FaultStatus() const;
};

// Reads pairs into `script`. Throws std::invalid_argument at a name or value that means nothing: a test whose fault is
// misspelt must not pass.
void ReadScript(std::string_view text, Script& script);

// One of Spark's errors: INTERNAL, with the ErrorInfo by which clients know it.
grpc::Status SparkErrorStatus(const std::string& error_class, const std::string& handle);

}  // namespace sgw::testing
