#include "core/session/operations.h"

#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

const std::string kObserved = kPools + "  - audit: audit1\n";

int EndsOf(SessionsRig& rig, const std::string& operation_id = kOp) {
  return rig.script("audit1").count("operation_ended " + kS1 + " " + operation_id);
}

// A stream of the operation, on a session of that user.
struct Stream : Caller {
  Stream(SessionsRig& rig, const std::string& method, bool is_reattachable = true)
      : Caller(rig, method, kS1, {.operation_id = kOp, .is_reattachable = is_reattachable}) {
    REQUIRE(status().ok());
  }
};

}  // namespace

TEST_CASE("an operation ends once: complete, failed, or released, whatever is said of it later") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  SUBCASE("complete") { CHECK(Stream(rig, "ExecutePlan").Finish()); }
  SUBCASE("failed") { CHECK(Stream(rig, "ExecutePlan").Finish(StatusCode::kInternal, false)); }
  SUBCASE("a pause, and complete by a later stream") {
    CHECK_FALSE(Stream(rig, "ExecutePlan").Finish(StatusCode::kOk, false));
    CHECK_FALSE(Stream(rig, "ReattachExecute").Finish(StatusCode::kOk, false));
    CHECK(Stream(rig, "ReattachExecute").Finish());
  }
  SUBCASE("broken off, and all of it released") {
    Stream(rig, "ExecutePlan").Drop();
    Caller release(rig, "ReleaseExecute", kS1, {.operation_id = kOp, .is_release_all = true});
    CHECK(release.Finish());
  }
  SUBCASE("released while it is read") {
    Stream running(rig, "ExecutePlan");
    Caller release(rig, "ReleaseExecute", kS1, {.operation_id = kOp, .is_release_all = true});
    CHECK(release.Finish());
    CHECK_FALSE(running.Finish(StatusCode::kInternal, false));
  }
  // The client did not get the end, and reads it again; then it releases what is complete.
  CHECK_FALSE(Stream(rig, "ReattachExecute").Finish(StatusCode::kOk, true, kOp));
  Caller release(rig, "ReleaseExecute", kS1, {.operation_id = kOp, .is_release_all = true});
  CHECK_FALSE(release.Finish());
  CHECK(rig.sessions->List()[0].operations == 0);
}

TEST_CASE("a release up to a response, or one that failed, ends no operation") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  Stream running(rig, "ExecutePlan");
  Caller until(rig, "ReleaseExecute", kS1, {.operation_id = kOp});
  CHECK_FALSE(until.Finish());
  Caller failed(rig, "ReleaseExecute", kS1, {.operation_id = kOp, .is_release_all = true});
  CHECK_FALSE(failed.Finish(StatusCode::kUnavailable));
  CHECK(running.Finish());
}

TEST_CASE("an older stream that a newer one took over from does not end its operation") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  Stream older(rig, "ExecutePlan");
  Stream newer(rig, "ReattachExecute");
  CHECK_FALSE(older.Finish(StatusCode::kInternal, false));  // INVALID_CURSOR.DISCONNECTED
  CHECK(rig.sessions->List()[0].operations == 1);
  CHECK(newer.Finish());
}

TEST_CASE("an operation that its server does not know is not one that ended, and starts afterwards") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  CHECK_FALSE(Stream(rig, "ReattachExecute").Finish(StatusCode::kInternal, false));  // OPERATION_NOT_FOUND
  CHECK(Stream(rig, "ExecutePlan").Finish());
  // The same id again, as a client may send it to a new server.
  CHECK(Stream(rig, "ExecutePlan").Finish());
}

TEST_CASE("an operation of before a restart ends when its stream says so") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Once(rig, "Config", kS1) == "pool1:1");
  SUBCASE("complete") { CHECK(Stream(rig, "ReattachExecute").Finish(StatusCode::kOk, true, kOp)); }
  SUBCASE("failed") { CHECK(Stream(rig, "ReattachExecute").Finish(StatusCode::kInternal, false, kOp)); }
}

TEST_CASE("without reattach the stream's end is the operation's, however it comes") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Stream(rig, "ExecutePlan", false).Finish(StatusCode::kOk, false));
  CHECK(Stream(rig, "ExecutePlan", false).End({.code = StatusCode::kCancelled}));
  Caller nameless(rig, "ExecutePlan", kS1, {.is_reattachable = false});
  CHECK(nameless.Finish(StatusCode::kOk, false, kS3));
  CHECK(rig.sessions->List()[0].operations == 0);
}

TEST_CASE("an operation that never reached its driver does not run") {
  SessionsRig rig;
  rig.PoolGives("pool1");
  CHECK(Stream(rig, "ExecutePlan").End({.code = StatusCode::kUnavailable, .was_sent = false}));
  CHECK(rig.sessions->List()[0].operations == 0);
  // A reattach that did not reach it says nothing of what runs.
  CHECK_FALSE(Stream(rig, "ExecutePlan").Finish(StatusCode::kOk, false));
  CHECK_FALSE(Stream(rig, "ReattachExecute").End({.code = StatusCode::kUnavailable, .was_sent = false}));
  CHECK(rig.sessions->List()[0].operations == 1);
}

TEST_CASE("what nobody reads for ten minutes has ended, and a long stream is read all the time") {
  SessionsRig rig(kObserved);
  rig.PoolGives("pool1");
  Stream running(rig, "ExecutePlan");
  rig.Pass(3h);
  CHECK(rig.sessions->List()[0].operations == 1);
  CHECK_FALSE(running.Finish(StatusCode::kOk, false));
  rig.Pass(9min);
  CHECK(EndsOf(rig) == 0);
  rig.Pass(2min);
  CHECK(EndsOf(rig) == 1);
  CHECK(rig.sessions->List()[0].operations == 0);
  // Spark says the same when the client comes all the same.
  CHECK_FALSE(Stream(rig, "ReattachExecute").Finish(StatusCode::kInternal, false));
}

TEST_CASE("an operator's end of a session reaches its streams, and observers hear what ended by it") {
  SessionsRig rig(kObserved);
  rig.PoolGives("pool1");
  Stream running(rig, "ExecutePlan");
  Caller other_worker(rig, "AddArtifacts", kS1, {.worker = 1});
  Caller other_session(rig, "ExecutePlan", kS2);
  REQUIRE(other_worker.status().ok());
  REQUIRE(other_session.status().ok());
  CHECK(rig.sessions->End({kS1}).ok());
  for (Caller* cut : {static_cast<Caller*>(&running), &other_worker}) {
    CHECK(cut->cut().message().starts_with("[INVALID_HANDLE.SESSION_CLOSED] An operator ended this session."));
  }
  CHECK(rig.script("audit1").seen() ==
        std::vector<std::string>{"session_opened " + kS1, "session_opened " + kS2,
                                 "operation_ended " + kS1 + " " + kOp + ": ended by an operator",
                                 "session_closed " + kS1 + ": ended by an operator"});
  rig.Settle();
  CHECK_FALSE(other_session.is_cut());
  // The other session has the server still.
  CHECK(rig.script("pool1").count("released") == 0);
}

TEST_CASE("the streams of a lost session end though nobody calls") {
  SessionsRig rig(kObserved);
  rig.PoolGives("pool1");
  Stream running(rig, "ExecutePlan");
  Caller bob(rig, "ExecutePlan", kS1, {.subject = "bob"});
  REQUIRE(bob.status().ok());
  rig.script("pool1").host->LeaseLost("pool1-1", "killed");
  rig.Sweep();
  CHECK(IsChanged("INTERNAL: " + running.cut().message()));
  CHECK(EndsOf(rig) == 1);
  rig.Settle();
  CHECK_FALSE(bob.is_cut());
}

TEST_CASE("a release by the client cuts nothing: the driver ends its streams") {
  SessionsRig rig(kObserved);
  rig.PoolGives("pool1");
  Stream running(rig, "ExecutePlan");
  Once(rig, "ReleaseSession", kS1);
  CHECK(EndsOf(rig) == 1);
  rig.Settle();
  CHECK_FALSE(running.is_cut());
  CHECK_FALSE(running.Finish(StatusCode::kInternal, false));
}

TEST_CASE("a session with more operations than are remembered loses count of the oldest end alone") {
  Operations all;
  const SteadyTime now{};
  Hold hold;
  for (int i = 0; i < 2'000; ++i) all.Open(std::to_string(i), true, now, hold);
  CHECK(all.size() == 1'000);
  using enum Operations::Closing;
  CHECK(all.Close("1999", kEnds, true, now, hold));
  CHECK_FALSE(all.Close("1999", kEnds, true, now, hold));
  CHECK(all.EndAll().size() == 1'000);
  CHECK(all.Close("1998", kEnds, true, now, hold));
  CHECK_FALSE(all.Close("1", kEnds, true, now, hold));
  all.Open(std::string(65, 'x'), true, now, hold);
  CHECK(all.size() == 1'000);
}

TEST_CASE("an operation whose id only its driver has said is counted while it runs on") {
  MetricsRegistry metrics;
  Limits limits(metrics, 10);
  const auto allowance =
      std::make_shared<const Allowance>(limits.For(Identity{.subject = "alice"}, Policy{.max_operations = 1}));
  Hold hold;
  REQUIRE(Allowance::Take(allowance, Limited::kOperations, hold).ok());
  Operations all;
  using enum Operations::Closing;
  CHECK_FALSE(all.Close(kOp, kPauses, true, SteadyTime(), hold));
  hold.Release();
  CHECK_FALSE(allowance->Check(Limited::kOperations).ok());
  CHECK(all.Close(kOp, kEnds, true, SteadyTime(), hold));
  CHECK(allowance->Check(Limited::kOperations).ok());
}
