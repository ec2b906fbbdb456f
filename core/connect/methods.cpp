#include "core/connect/methods.h"

namespace sgw::core {
namespace {

using enum SparkMethod;
using enum MethodClass;

constexpr MethodFacts kMethods[] = {
    // name, method, class, observed id, client type, operation id, special, session id in the reply
    {"ExecutePlan", kExecutePlan, kCreates, 8, 4, 6, 5, 1},
    {"AnalyzePlan", kAnalyzePlan, kCreates, 17, 3, 0, 0, 1},
    {"Config", kConfig, kCreates, 8, 4, 0, 0, 1},
    {"AddArtifacts", kAddArtifacts, kCreates, 7, 6, 0, 0, 2},
    {"ArtifactStatus", kArtifactStatus, kCreates, 5, 3, 0, 0, 2},
    // As in Spark itself: a success that names no server would be taken for one by PySpark, which then refuses the
    // session's real server.
    {"Interrupt", kInterrupt, kCreates, 7, 3, 6, 0, 1},
    {"ReattachExecute", kReattachExecute, kNeedsSession, 6, 4, 3, 0, 1},
    {"ReleaseExecute", kReleaseExecute, kNoopWhenUnknown, 7, 4, 3, 5, 1},
    {"ReleaseSession", kReleaseSession, kNoopWhenUnknown, 0, 3, 0, 4, 1},
    {"FetchErrorDetails", kFetchErrorDetails, kNoopWhenUnknown, 5, 4, 0, 0, 4},
    {"CloneSession", kCloneSession, kNeedsSession, 5, 3, 0, 4, 1},
    {"GetStatus", kGetStatus, kNeedsSession, 4, 3, 0, 0, 1},
};
constexpr MethodFacts kUnknownMethod = {};

}  // namespace

const MethodFacts& FactsOf(std::string_view path) {
  const std::string_view name = path.substr(kSparkConnectPrefix.size());
  for (const MethodFacts& facts : kMethods) {
    if (facts.name == name) return facts;
  }
  return kUnknownMethod;
}

}  // namespace sgw::core
