#include "core/session/journal.h"

#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

using Values = std::map<std::string, JournalValue>;

const WallTime kNow{1'000h};
const WallTime kLater{2'000h};

// A journal and the map that it keeps.
struct Kept {
  explicit Kept(const std::string& path) {
    auto opened = Journal::Open(
        path, metrics, kNow,
        [this](const Journal::Sink& sink) {
          const std::lock_guard lock(mutex);
          for (const auto& [key, value] : values) sink(key, value);
        },
        found);
    status = opened.status();
    if (opened) journal = *std::move(opened);
    values = found;
  }
  void Set(const std::string& key, const std::string& text, WallTime until = kLater) {
    const std::lock_guard lock(mutex);
    values[key] = {text, until};
    journal->Set(key, values[key]);
  }
  void Remove(const std::string& key) {
    const std::lock_guard lock(mutex);
    values.erase(key);
    journal->Remove(key);
  }
  double failures() { return metrics.Snapshot()[0].series[0].value; }

  MetricsRegistry metrics;
  std::mutex mutex;
  Values values;
  Values found;
  Status status;
  std::unique_ptr<Journal> journal;
};

std::map<std::string, std::string> TextsIn(const std::string& path) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : Kept(path).found) texts[key] = value.text;
  return texts;
}

using Texts = std::map<std::string, std::string>;

}  // namespace

TEST_CASE("what was set and not removed is found again, whatever bytes its key has") {
  TempDir dir;
  const std::string path = dir.path() + "/deep/er/journal";
  {
    Kept kept(path);
    REQUIRE(kept.status.ok());
    kept.Set(std::string("a\0b\n\"", 5), "{\"x\":\"\u00e4\"}");
    kept.Set("gone", "1");
    kept.Set("again", "1");
    kept.Remove("gone");
    kept.Set("again", "2");
    kept.Set("over", "1", kNow);
  }
  CHECK(TextsIn(path) == Texts{{std::string("a\0b\n\"", 5), "{\"x\":\"\u00e4\"}"}, {"again", "2"}});
}

TEST_CASE("a line that a crash has torn is passed over, and what follows a restart is whole") {
  TempDir dir;
  const std::string path = dir.path() + "/journal";
  {
    Kept kept(path);
    kept.Set("a", "1");
  }
  std::ofstream(path, std::ios::app) << "{\"set\":\"b\",\"until_ms\":99";
  {
    Kept kept(path);
    CHECK(kept.found.size() == 1);
    kept.Set("c", "3");
  }
  CHECK(TextsIn(path) == Texts{{"a", "1"}, {"c", "3"}});
}

TEST_CASE("a first line that a crash has torn leaves a journal without anything") {
  TempDir dir;
  for (const std::string& content : {std::string("{"), std::string("{\"set\":\"a\",\"until_ms\":99"),
                                     std::string("{\"remove\":\"a"), std::string(512, '\0')}) {
    CHECK(Kept(dir.Write("journal", content)).status.ok());
  }
}

TEST_CASE("what is to be kept for longer than a clock can tell is kept") {
  TempDir dir;
  const std::string path = dir.Write("journal",
                                     "{\"set\":\"a\",\"until_ms\":9223372036854775807,\"value\":\"1\"}\n"
                                     "{\"set\":\"b\",\"until_ms\":-9223372036854775808,\"value\":\"1\"}\n");
  CHECK(TextsIn(path) == Texts{{"a", "1"}});
}

TEST_CASE("a file that holds something else is refused, and stays as it is") {
  TempDir dir;
  for (const std::string& content :
       {std::string(10'000, '\xff') + "\n\n{}\n[]\n{\"set\":1}\n", std::string("- {sha256: 00, subject: ci}\n"),
        std::string("- {sha256: 00, subject: ci}\n- {sha256: 01, subject: cd}\n")}) {
    const std::string path = dir.Write("tokens.yaml", content);
    CHECK(Kept(path).status.message() ==
          "sessions.state: " + path + " holds something else. Name a file of the gateway's own.");
    std::stringstream all;
    all << std::ifstream(path).rdbuf();
    CHECK(all.str() == content);
  }
}

TEST_CASE("lines of junk in a journal are passed over") {
  TempDir dir;
  const std::string path = dir.path() + "/journal";
  {
    Kept kept(path);
    kept.Set("a", "1");
  }
  std::ofstream(path, std::ios::app) << std::string(10'000, '\xff') << "\n\n{}\n[]\n{\"set\":1}\n";
  CHECK(TextsIn(path) == Texts{{"a", "1"}});
}

TEST_CASE("a file that has grown is written anew with what it says") {
  TempDir dir;
  const std::string path = dir.path() + "/journal";
  {
    Kept kept(path);
    const std::string text(10'000, 'x');
    for (int i = 0; i < 1'000; ++i) {
      kept.Set("a", text + std::to_string(i));
      if (i % 50 == 0) kept.journal->Flush();
    }
    kept.Set("b", "1");
    kept.journal->Flush();
    CHECK(std::filesystem::file_size(path) < 2'000'000);
  }
  const auto texts = TextsIn(path);
  CHECK(texts.size() == 2);
  CHECK(texts.at("a") == std::string(10'000, 'x') + "999");
}

TEST_CASE("a write that fails is counted, nobody waits for it, and nothing is missing when the disk has room again") {
  TempDir dir;
  const std::string path = dir.path() + "/journal";
  std::signal(SIGXFSZ, SIG_IGN);
  {
    Kept kept(path);
    kept.Set("a", "1");
    kept.journal->Flush();
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit full = before;
    full.rlim_cur = 100;
    setrlimit(RLIMIT_FSIZE, &full);
    kept.Set("b", std::string(1'000, 'x'));
    CHECK(Eventually([&] { return kept.failures() > 0; }));
    kept.Set("c", "3");
    kept.Remove("a");
    setrlimit(RLIMIT_FSIZE, &before);
  }
  CHECK(TextsIn(path) == Texts{{"b", std::string(1'000, 'x')}, {"c", "3"}});
}

TEST_CASE("a place that cannot be written is said at the start") {
  Kept kept("/proc/no/such/journal");
  CHECK(kept.status.code() == StatusCode::kFailedPrecondition);
  CHECK(Contains(kept.status.message(), "sessions.state: cannot open /proc/no/such/journal.lock"));
}

TEST_CASE("the lock ends with the journal") {
  TempDir dir;
  const std::string path = dir.path() + "/journal";
  auto first = std::make_unique<Kept>(path);
  CHECK_FALSE(Kept(path).status.ok());
  first.reset();
  CHECK(Kept(path).status.ok());
}
