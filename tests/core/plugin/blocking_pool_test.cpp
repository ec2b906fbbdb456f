#include "core/plugin/blocking_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

using namespace sgw::core;
using namespace std::chrono_literals;

TEST_CASE("work of one owner that hangs leaves threads and queue to the others") {
  const int one = 0;
  const int other = 0;
  std::latch end(1);
  std::latch ran(3);
  BlockingPool pool(4, 8);
  int taken = 0;
  while (pool.Run(&one, [&end] { end.wait(); })) ++taken;
  CHECK(taken >= 4);  // in the queue
  CHECK(taken <= 6);  // and on two threads
  for (int i = 0; i < 3; ++i) CHECK(pool.Run(&other, [&ran] { ran.count_down(); }));
  ran.wait();
  CHECK(pool.AwaitEnd(&other, 60s));
  CHECK_FALSE(pool.AwaitEnd(&one, 1ms));
  end.count_down();
  CHECK(pool.AwaitEnd(&one, 60s));
}

TEST_CASE("no task of many owners is left behind") {
  constexpr int kOwners = 5;
  constexpr int kTasks = 2'000;
  const int owners[kOwners] = {};
  std::atomic<int> ran{0};
  BlockingPool pool(4, 64);
  std::vector<std::thread> callers;
  for (const int& owner : owners) {
    callers.emplace_back([&] {
      for (int i = 0; i < kTasks; ++i) {
        while (!pool.Run(&owner, [&ran] { ++ran; })) std::this_thread::yield();
      }
    });
  }
  for (auto& caller : callers) caller.join();
  for (const int& owner : owners) CHECK(pool.AwaitEnd(&owner, 60s));
  CHECK(ran == kOwners * kTasks);
}

TEST_CASE("what is queued runs before the end") {
  std::atomic<int> ran{0};
  {
    BlockingPool pool(2, 100);
    for (int i = 0; i < 50; ++i) CHECK(pool.Run(&ran, [&ran] { ++ran; }));
  }
  CHECK(ran == 50);
}

TEST_CASE("a thread that is still inside a task is left to itself, and what waits behind it is dropped") {
  const auto end = std::make_shared<std::latch>(1);
  const auto left = std::make_shared<std::latch>(2);
  const auto dropped = std::make_shared<int>();
  {
    BlockingPool pool(4, 8, 100ms);
    for (int i = 0; i < 2; ++i) {
      CHECK(pool.Run(&pool, [end, left] {
        end->wait();
        left->count_down();
      }));
    }
    CHECK(pool.Run(&pool, [dropped] { CHECK(dropped == nullptr); }));
    CHECK(dropped.use_count() == 2);
  }
  CHECK(dropped.use_count() == 1);
  end->count_down();
  left->wait();
}
