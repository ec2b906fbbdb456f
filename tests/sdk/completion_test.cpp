#include <doctest/doctest.h>
#include <sgw/answers.h>
#include <sgw/completion.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

using namespace sgw;

TEST_CASE("the first answer counts and later ones have no effect") {
  std::vector<Status> given;
  const Completion<Status> done([&](Status status) { given.push_back(std::move(status)); });
  const Completion<Status> copy = done;

  done(NotFound("first"));
  copy(Status());
  done(Status());

  REQUIRE(given.size() == 1);
  CHECK(given[0].code() == StatusCode::kNotFound);
  CHECK_FALSE(copy.is_wanted());
}

TEST_CASE("a completion whose last copy goes unused answers INTERNAL") {
  std::optional<AuthAnswer> given;
  {
    const Completion<AuthAnswer> done([&](AuthAnswer answer) { given = std::move(answer); });
    const Completion<AuthAnswer> copy = done;
  }
  REQUIRE(given);
  CHECK(given->status().code() == StatusCode::kInternal);
}

TEST_CASE("a completion may be moved away and an empty one be called") {
  int answers = 0;
  Completion<Result<int>> done([&](const Result<int>&) { ++answers; });
  const Completion<Result<int>> moved = std::move(done);
  Completion<Result<int>>()(3);
  moved(4);
  CHECK(answers == 1);
}

TEST_CASE("who has left is told once, unless the answer came first") {
  int told = 0;
  const Completion<Status> left([](const Status&) {});
  left.OnCancel([&] { ++told; });
  left.state()->Cancel();
  left.state()->Cancel();
  CHECK(told == 1);
  left.OnCancel([&] { ++told; });  // Too late to wait for it: told at once.
  CHECK(told == 2);

  const Completion<Status> answered([](const Status&) {});
  answered.OnCancel([&] { ++told; });
  answered(Status());
  answered.state()->Cancel();
  answered.OnCancel([&] { ++told; });
  CHECK(told == 2);
}

TEST_CASE("threads that answer at once give one answer") {
  std::atomic<int> answers{0};
  const Completion<Status> done([&](const Status&) { ++answers; });
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([done] {
      done.OnCancel([] {});
      done(Status());
    });
  }
  done.state()->Cancel();
  for (std::thread& thread : threads) thread.join();
  CHECK(answers == 1);
}

TEST_CASE("values turn into answers by themselves") {
  CHECK(AuthAnswer(Identity{.subject = "alice"}).get<Identity>()->subject == "alice");
  CHECK(AuthAnswer(Next{}).is_next());
  CHECK(AuthAnswer(Pending{}).is_pending());
  CHECK(AuthAnswer(Unavailable("x")).status().code() == StatusCode::kUnavailable);
  CHECK(AuthAnswer(Result<Identity>(Identity{.subject = "bob"})).get<Identity>()->subject == "bob");
  CHECK(PoolAnswer(Result<Lease>(NotFound("gone"))).status().code() == StatusCode::kNotFound);
}
