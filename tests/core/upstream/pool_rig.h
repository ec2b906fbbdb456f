// A pool on a worker, and calls that want streams of it, for tests.
#pragma once

#include <atomic>
#include <future>

#include "core/upstream/pool.h"
#include "tests/core/http2/pair.h"
#include "tests/core/upstream/raw_driver.h"

namespace sgw::core::testing {

using namespace std::chrono_literals;

// Stands still until it is told to go on. Safe for concurrent use.
class StillClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(1000h) + passed_.load(); }
  WallTime Wall() const override { return {}; }
  void Advance(SteadyTime::duration by) { passed_ = passed_.load() + by; }

 private:
  std::atomic<SteadyTime::duration> passed_{SteadyTime::duration::zero()};
};

// Wants one stream, and remembers what came of it.
class Caller final : public UpstreamWaiter {
 public:
  void OnConnection(ClientConnection& given) override {
    connection = &given;
    stream.stream = given.Open(
        {{":method", "POST"}, {":scheme", "http"}, {":path", "/a.B/C"}, {":authority", "test"}, {"te", "trailers"}},
        false, stream);
    Answered();
  }
  void OnNoConnection(const Status& status) override {
    why = status;
    Answered();
  }
  bool WaitForAnswer() {
    return stream.WaitFor([this] { return answers > 0; });
  }

  Recorder stream;  // its mutex guards `answers`
  ClientConnection* connection = nullptr;
  Status why;
  int answers = 0;

 private:
  void Answered() {
    const std::lock_guard lock(stream.mutex);
    ++answers;
    stream.changed.notify_all();
  }
};

// Remembers what is heard of endpoints.
class Heard final : public EndpointListener {
 public:
  void OnUnreachable(const std::string&, const std::string&, SteadyTime since, const Status&) override {
    const std::lock_guard lock(mutex_);
    ++failed;
    runs.push_back(since);
    changed_.notify_all();
  }
  bool WaitFor(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, condition);
  }
  int failed = 0;
  std::vector<SteadyTime> runs;

 private:
  std::mutex mutex_;  // Guards all that is heard.
  std::condition_variable changed_;
};

class PoolRig {
 public:
  explicit PoolRig(UpstreamOptions options = {}, const Clock& clock = Clock::Real(), std::size_t workers = 1)
      : table(clock), workers_(workers), pools(workers_, table, options) {
    table.SetListener(&heard);
    workers_.Start();
  }
  ~PoolRig() { workers_.Stop(); }

  void On(const std::function<void()>& function, std::size_t worker = 0) { RunOn(workers_[worker], function); }
  // Asks for a stream; the answer may come later.
  void Ask(Caller& caller, const Endpoint& endpoint, std::size_t worker = 0) {
    On([&] { pools[worker].Get(endpoint, caller); }, worker);
  }
  void Ask(Caller& caller, const std::string& address, std::size_t worker = 0) {
    Ask(caller, Endpoint{.address = address}, worker);
  }
  // The same, and waits for it: OK when there is a stream.
  Status Get(Caller& caller, const std::string& address, std::size_t worker = 0) {
    return Get(caller, Endpoint{.address = address}, worker);
  }
  Status Get(Caller& caller, const Endpoint& endpoint, std::size_t worker = 0) {
    Ask(caller, endpoint, worker);
    REQUIRE(caller.WaitForAnswer());
    CHECK(caller.answers == 1);
    return caller.why;
  }
  void End(Caller& caller, std::size_t worker = 0) {
    On([&] { caller.stream.stream->Reset(ErrorCode::kCancel); }, worker);
    REQUIRE(caller.stream.WaitFor([&] { return caller.stream.is_closed; }));
  }
  EndpointView View(const std::string& address) {
    for (const EndpointView& view : table.Snapshot()) {
      if (view.address == address) return view;
    }
    return {};
  }
  // Looks again and again, between what happens on the worker.
  bool Sees(const std::string& address, const std::function<bool(const EndpointView&)>& condition) {
    for (const auto until = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < until;) {
      if (condition(View(address))) return true;
      On([] {});
    }
    return false;
  }

  EndpointTable table;
  Heard heard;

 private:
  WorkerPool workers_;

 public:
  UpstreamPools pools;
};

// An address at which nobody listens.
inline std::string NobodyThere() {
  static RawDriver silent({.listens = false});
  return silent.address;
}

}  // namespace sgw::core::testing
