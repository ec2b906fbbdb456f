#include "core/session/subjects.h"

#include <doctest/doctest.h>

using namespace sgw;
using namespace sgw::core;

TEST_CASE("calls per second refill with time and never pile up over a second's worth") {
  Subjects subjects;
  const Policy policy{.calls_per_second = 3};
  SteadyTime now{1000h};
  const auto allowed = [&] {
    int count = 0;
    while (subjects.CountCall("a", policy, now).ok()) ++count;
    return count;
  };
  CHECK(allowed() == 3);
  CHECK(subjects.CountCall("a", policy, now).retry_delay() == 1s);
  now += 1s;
  CHECK(allowed() == 3);
  now += 1h;
  CHECK(allowed() == 3);
  now += 400ms;
  CHECK(allowed() == 1);
  CHECK(subjects.CountCall("b", policy, now).ok());
}

TEST_CASE("without a limit nothing is refused, and a sweep forgets who has nothing") {
  Subjects subjects;
  subjects.AddSessions("a", 5);
  CHECK(subjects.MayOpenSession("a", {}).ok());
  CHECK_FALSE(subjects.MayOpenSession("a", {.max_sessions = 5}).ok());
  subjects.Sweep(SteadyTime(1000h));
  CHECK_FALSE(subjects.MayOpenSession("a", {.max_sessions = 5}).ok());
  subjects.AddSessions("a", -5);
  subjects.Sweep(SteadyTime(1000h));
  CHECK(subjects.MayOpenSession("a", {.max_sessions = 1}).ok());
}
