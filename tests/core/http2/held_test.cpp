#include "core/http2/held.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "core/worker/worker.h"
#include "tests/support/run_on.h"

using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

// Lets go when it is told to.
class Remembers : public Holder {
 public:
  using Holder::Holder;
  bool was_told = false;

 private:
  void OnCondemned() override {
    was_told = true;
    Release(bytes());
  }
};

constexpr std::size_t kKiB = 1024;

// Until the coarse clock has moved on.
void LetTimePass() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

}  // namespace

TEST_CASE("at a bound a reader that keeps up outlives those that have stopped or only nibble, though it holds more") {
  WorkerPool pool(1);
  pool.Start();
  RunOn(pool[0], [&] {
    const auto account = std::make_shared<HeldAccount>(pool[0], 2'000 * kKiB, nullptr, nullptr);
    Remembers waiting(account), nibbling(account), stopped(account), reader(account);
    waiting.Hold(60 * kKiB);
    nibbling.Hold(200 * kKiB);
    LetTimePass();
    stopped.Hold(300 * kKiB);
    reader.Hold(1'200 * kKiB);
    LetTimePass();
    nibbling.Release(1);
    reader.Release(700 * kKiB);
    reader.Hold(700 * kKiB);
    CHECK_FALSE(nibbling.was_told);
    reader.Hold(300 * kKiB);
    CHECK(nibbling.was_told);
    CHECK_FALSE(stopped.was_told);
    reader.Hold(200 * kKiB);
    CHECK(stopped.was_told);
    CHECK_FALSE(reader.was_told);
    // Who else holds much?
    reader.Hold(300 * kKiB);
    CHECK(reader.was_told);
    CHECK_FALSE(waiting.was_told);
  });
  pool.Stop();
}

TEST_CASE("where nobody holds much, the one that holds the most is to go, and it goes alone") {
  WorkerPool pool(1);
  pool.Start();
  RunOn(pool[0], [&] {
    const auto account = std::make_shared<HeldAccount>(pool[0], 1'000, nullptr, nullptr);
    Remembers small(account), large(account);
    large.Hold(700);
    small.Hold(400);
    CHECK(large.was_told);
    CHECK_FALSE(small.was_told);
  });
  pool.Stop();
}
