#include "core/worker/worker.h"

#include <doctest/doctest.h>

#include <future>

using namespace sgw::core;
using namespace std::chrono_literals;

TEST_CASE("a posted task runs on the worker's own thread") {
  Worker worker("w");
  worker.Start();
  std::promise<bool> ran;
  worker.Post([&] { ran.set_value(worker.IsCurrent() && Worker::Current() == &worker); });
  CHECK(ran.get_future().get());
  CHECK_FALSE(worker.IsCurrent());
}

TEST_CASE("a timer that was cancelled never runs, and one that was not runs once") {
  Worker worker("w");
  worker.Start();
  std::promise<int> count;
  worker.Post([&] {
    auto fired = std::make_shared<int>(0);
    Timer cancelled = worker.StartTimer(1ms, [fired] { *fired += 100; });
    cancelled.Cancel();
    CHECK_FALSE(cancelled.is_pending());
    auto kept = std::make_shared<Timer>();
    *kept = worker.StartTimer(2ms, [&worker, fired, kept, &count] {
      ++*fired;
      auto last = std::make_shared<Timer>();
      *last = worker.StartTimer(2ms, [fired, last, &count] { count.set_value(*fired); });
    });
  });
  CHECK(count.get_future().get() == 1);
}

TEST_CASE("the end of a turn comes after what was ready, once for all who asked") {
  Worker worker("w");
  std::vector<std::string> order;
  std::promise<void> done;
  worker.Post([&] {
    worker.AtEndOfTurn([&] { order.push_back("end"); });
    order.push_back("first");
  });
  worker.Post([&] {
    worker.AtEndOfTurn([&] { done.set_value(); });
    order.push_back("second");
  });
  worker.Start();
  done.get_future().get();
  CHECK(order == std::vector<std::string>{"first", "second", "end"});
}

TEST_CASE("a new connection goes to the worker with the least load") {
  WorkerPool pool(3);
  pool[0].load() = 2;
  pool[1].load() = 1;
  pool[2].load() = 4;
  CHECK(&pool.LeastLoaded() == &pool[1]);
}

TEST_CASE("what is posted through the door of a worker that has gone is dropped") {
  auto worker = std::make_unique<Worker>("short");
  worker->Start();
  const auto door = worker->door();
  std::promise<void> ran;
  door->Post([&] { ran.set_value(); });
  ran.get_future().wait();
  worker.reset();
  const auto owned = std::make_shared<int>();
  door->Post([owned] { FAIL("there is no worker"); });
  CHECK(owned.use_count() == 1);
}
