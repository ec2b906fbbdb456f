#include "core/plugin/spawner.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace sgw::core;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

bool Poll(const std::function<bool()>& condition, std::chrono::milliseconds patience = 20s) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Not a zombie either.
bool IsAlive(int pid) {
  const std::string stat = ContentOf("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end != std::string::npos && stat.size() > name_end + 2 && stat[name_end + 2] != 'Z';
}

int ParentOf(int pid) {
  const std::string stat = ContentOf("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end == std::string::npos ? 0 : std::stoi(stat.substr(name_end + 4));
}

// A child that remembers what was told of it.
class Watched {
 public:
  Watched(Spawner& spawner, std::uint64_t id, const ChildStart& start) : spawner_(spawner), id_(id) {
    spawner.Start(id, start,
                  {[this](std::string line) { OnLine(std::move(line)); }, [this](const ChildEnd& end) { OnEnd(end); }});
  }
  Watched(Spawner& spawner, std::uint64_t id, const std::string& script)
      : Watched(spawner, id, ChildStart{.argv = {"sh", "-c", script}}) {}
  ~Watched() {
    if (end()) return;
    End();
    WaitForEnd();
  }

  void End() { spawner_.End(id_); }
  // Waits until it is known: kill() of 0 is a kill of ourselves.
  int WaitForPid() const {
    REQUIRE(Poll([&] { return spawner_.PidOf(id_) > 0; }));
    return spawner_.PidOf(id_);
  }

  std::optional<std::string> WaitForLine() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20s, [&] { return !lines_.empty() || end_; });
    if (lines_.empty()) return std::nullopt;
    return lines_.front();
  }
  std::optional<ChildEnd> WaitForEnd() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20s, [&] { return end_.has_value(); });
    return end_;
  }
  Words lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::optional<ChildEnd> end() {
    const std::lock_guard lock(mutex_);
    return end_;
  }

 private:
  void OnLine(std::string line) {
    const std::lock_guard lock(mutex_);
    if (lines_.size() < 1'000) lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  void OnEnd(const ChildEnd& end) {
    const std::lock_guard lock(mutex_);
    CHECK_MESSAGE(!end_.has_value(), "an end is told once");
    end_ = end;
    changed_.notify_all();
  }

  Spawner& spawner_;
  const std::uint64_t id_;
  std::mutex mutex_;  // Guards lines_ and end_.
  std::condition_variable changed_;
  Words lines_;
  std::optional<ChildEnd> end_;
};

// A program that leaves a daemon of its own session and without its environment, says the daemon's number, and runs on.
constexpr auto kWithDaemon = "env -i setsid sleep 1000 & echo $!; exec sleep 1000";

int Number(const std::optional<std::string>& line) { return line ? std::stoi(*line) : 0; }

}  // namespace

TEST_CASE("a child's lines are told in their order, then its exit code") {
  const auto spawner = Spawner::Fork();
  Watched child(*spawner, 1, "echo one; echo two >&2; printf three; exit 7");
  REQUIRE(child.WaitForEnd());
  CHECK(child.end()->exit_code == 7);
  CHECK(child.end()->signal == 0);
  CHECK(child.lines() == Words{"one", "two", "three"});
  CHECK(spawner->PidOf(1) == 0);
}

TEST_CASE("a child has its environment, its folder, its file of output, and nothing else that is open") {
  const auto folder = std::filesystem::temp_directory_path() / ("spawner-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const auto spawner = Spawner::Fork();
  ChildStart start{.argv = {"sh", "-c", "pwd; echo $NAME; ls /proc/self/fd | wc -l; ulimit -n >/dev/null"},
                   .environment = {{"NAME", "a b"}},
                   .working_directory = folder,
                   .output_path = folder / "log"};
  Watched child(*spawner, 1, start);
  REQUIRE(child.WaitForEnd());
  CHECK(child.lines() == Words{folder, "a b", "4"});  // 0, 1, 2 and the folder that ls reads
  CHECK(ContentOf(folder / "log") == folder.string() + "\na b\n4\n");
  std::filesystem::remove_all(folder);
}

TEST_CASE("a child does not inherit the variables that are withheld, and has those that are given to it") {
  setenv("WITHHELD", "secret", 1);
  setenv("WITHHELD_AND_GIVEN", "secret", 1);
  const auto spawner = Spawner::Fork();
  unsetenv("WITHHELD");
  unsetenv("WITHHELD_AND_GIVEN");
  Watched child(*spawner, 1,
                ChildStart{.argv = {"sh", "-c", "echo [$WITHHELD] [$WITHHELD_AND_GIVEN]"},
                           .withheld = {"WITHHELD", "WITHHELD_AND_GIVEN"},
                           .environment = {{"WITHHELD_AND_GIVEN", "other"}}});
  REQUIRE(child.WaitForEnd());
  CHECK(child.lines() == Words{"[] [other]"});
}

TEST_CASE("a program that is not there is told as what cannot be started") {
  const auto spawner = Spawner::Fork();
  Watched child(*spawner, 1, ChildStart{.argv = {"/no/such/program"}});
  REQUIRE(child.WaitForEnd());
  CHECK(child.end()->error == "cannot start /no/such/program: No such file or directory");
  Watched elsewhere(*spawner, 2, ChildStart{.argv = {"true"}, .working_directory = "/no/such/folder"});
  REQUIRE(elsewhere.WaitForEnd());
  CHECK(elsewhere.end()->error == "cannot start true: No such file or directory");
}

TEST_CASE("a command that is too long is refused, and the next one starts") {
  const auto spawner = Spawner::Fork();
  Watched longest(*spawner, 1, ChildStart{.argv = {"true", std::string(300 * 1024, 'x')}});
  REQUIRE(longest.WaitForEnd());
  CHECK(longest.end()->error == "its command and environment are longer than 256 KiB");
  Watched many(*spawner, 2, ChildStart{.argv = {"true"}, .environment = {{"A", std::string(256 * 1024, 'x')}}});
  REQUIRE(many.WaitForEnd());
  CHECK(many.end()->error == "its command and environment are longer than 256 KiB");
  Watched none(*spawner, 3, ChildStart{});
  CHECK(none.end()->error == "it has no command");
  Watched nul(*spawner, 4, ChildStart{.argv = {"echo", std::string("a\0start", 7)}});
  CHECK(nul.end()->error == "its command or environment has a NUL byte");

  // Longer than the kernel takes for one argument, which is told too; just below is a program that runs.
  Watched kernel(*spawner, 5, ChildStart{.argv = {"true", std::string(200 * 1024, 'x')}});
  REQUIRE(kernel.WaitForEnd());
  CHECK(kernel.end()->error == "cannot start true: Argument list too long");
  Watched most(*spawner, 6, ChildStart{.argv = {"true", std::string(120 * 1024, 'x'), std::string(120 * 1024, 'x')}});
  REQUIRE(most.WaitForEnd());
  CHECK(most.end()->exit_code == 0);
}

TEST_CASE("what left its group and session ends when its child is ended") {
  const auto spawner = Spawner::Fork();
  Watched child(*spawner, 1, kWithDaemon);
  Watched other(*spawner, 2, kWithDaemon);
  const int daemon = Number(child.WaitForLine());
  const int others_daemon = Number(other.WaitForLine());
  REQUIRE(IsAlive(daemon));

  child.End();
  REQUIRE(child.WaitForEnd());
  CHECK(child.end()->signal == SIGTERM);
  CHECK(Poll([&] { return !IsAlive(daemon); }, 2s));
  CHECK(IsAlive(others_daemon));
  CHECK_FALSE(other.end());
}

TEST_CASE("what left its group and session ends when its child ends by itself or is killed") {
  const auto spawner = Spawner::Fork();
  Watched done(*spawner, 1, "(setsid sleep 1000 & echo $!) | head -n 1; exit 0");
  const int orphan = Number(done.WaitForLine());
  REQUIRE(done.WaitForEnd());
  CHECK(done.end()->exit_code == 0);
  CHECK(Poll([&] { return !IsAlive(orphan); }, 2s));

  Watched killed(*spawner, 2, kWithDaemon);
  const int daemon = Number(killed.WaitForLine());
  kill(killed.WaitForPid(), SIGKILL);
  REQUIRE(killed.WaitForEnd());
  CHECK(killed.end()->signal == SIGKILL);
  CHECK(Poll([&] { return !IsAlive(daemon); }, 2s));
}

TEST_CASE("a child that ignores SIGTERM is killed when its time is over") {
  const auto spawner = Spawner::Fork();
  Watched child(
      *spawner, 1,
      ChildStart{.argv = {"sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done"}, .kill_after_ms = 50});
  REQUIRE(child.WaitForLine() == "up");
  child.End();
  REQUIRE(child.WaitForEnd());
  CHECK(child.end()->signal == SIGKILL);
}

TEST_CASE("a child may be ended as soon as it was asked for") {
  const auto spawner = Spawner::Fork();
  for (std::uint64_t id = 1; id <= 20; ++id) {
    Watched child(*spawner, id, "exec sleep 1000");
    child.End();
    REQUIRE(child.WaitForEnd());
    CHECK(child.end()->signal == SIGTERM);
  }
}

TEST_CASE("nothing is left of a deep tree of descendants, each of its own session, when the gateway has gone") {
  constexpr int kDepth = 250;
  // Each writes its number and starts the next.
  const auto file = std::filesystem::temp_directory_path() / ("chain-" + std::to_string(getpid()));
  const std::string script = "echo $$ >>" + file.string() +
                             R"(; if [ $1 -gt 0 ]; then setsid sh -c "$0" "$0" $(($1 - 1)) & fi; wait; sleep 1000)";
  auto spawner = Spawner::Fork();
  std::vector<int> pids;
  {
    const int process = spawner->process();
    spawner->Start(1, {.argv = {"sh", "-c", script, script, std::to_string(kDepth)}}, {[](auto) {}, [](auto) {}});
    REQUIRE(Poll([&] {
      std::ifstream lines(file);
      pids.assign(std::istream_iterator<int>(lines), {});
      return pids.size() == kDepth + 1;
    }));
    spawner.reset();
    CHECK(Poll([&] { return !IsAlive(process); }, 2s));
  }
  CHECK(Poll([&] { return std::none_of(pids.begin(), pids.end(), IsAlive); }, 2s));
  std::filesystem::remove(file);
}

TEST_CASE("when the process that makes children is killed, each child ends, and each owner hears of it") {
  const auto spawner = Spawner::Fork();
  Watched first(*spawner, 1, kWithDaemon);
  Watched second(*spawner, 2, kWithDaemon);
  const std::vector<int> daemons = {Number(first.WaitForLine()), Number(second.WaitForLine())};
  const std::vector<int> pids = {first.WaitForPid(), second.WaitForPid()};

  kill(spawner->process(), SIGKILL);
  REQUIRE(first.WaitForEnd());
  REQUIRE(second.WaitForEnd());
  for (const int pid : daemons) CHECK(Poll([&] { return !IsAlive(pid); }, 2s));
  for (const int pid : pids) CHECK_FALSE(IsAlive(pid));

  Watched late(*spawner, 3, "exit 0");
  REQUIRE(late.WaitForEnd());
  CHECK(late.end()->error.starts_with("the process that makes children"));
}

TEST_CASE("when a keeper is killed, its child ends and its owner hears of it, and the others live on") {
  const auto spawner = Spawner::Fork();
  Watched child(*spawner, 1, kWithDaemon);
  Watched other(*spawner, 2, kWithDaemon);
  const int daemon = Number(child.WaitForLine());
  const int others_daemon = Number(other.WaitForLine());
  const int pid = child.WaitForPid();

  const int keeper = ParentOf(pid);
  REQUIRE(keeper != spawner->process());
  kill(keeper, SIGKILL);
  REQUIRE(child.WaitForEnd());
  CHECK(child.end()->signal == SIGKILL);
  CHECK(Poll([&] { return !IsAlive(daemon) && !IsAlive(pid); }, 2s));
  CHECK(IsAlive(others_daemon));
  CHECK_FALSE(other.end());
}

TEST_CASE("a child that prints without end does not keep the others waiting") {
  const auto spawner = Spawner::Fork();
  Watched loud(*spawner, 1, ChildStart{.argv = {"yes"}});
  Watched louder(*spawner, 2, ChildStart{.argv = {"sh", "-c", "tr '\\0' x </dev/zero"}});  // a line without end
  REQUIRE(loud.WaitForLine() == "y");
  Watched quiet(*spawner, 3, "echo quiet");
  CHECK(quiet.WaitForLine() == "quiet");
  REQUIRE(quiet.WaitForEnd());
  CHECK(quiet.end()->exit_code == 0);
  loud.End();
  CHECK(loud.WaitForEnd());
  louder.End();
  CHECK(louder.WaitForEnd());
}
