#include "core/app/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <string>

using namespace sgw::core;

namespace {

// stderr is a pipe while this lives.
class PipedStderr {
 public:
  PipedStderr() : own_(dup(STDERR_FILENO)) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    reader_ = ends[0];
    fcntl(reader_, F_SETFL, O_NONBLOCK);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
  }
  ~PipedStderr() {
    dup2(own_, STDERR_FILENO);
    close(own_);
    close(reader_);
  }
  std::string Read() {
    std::string all;
    char bytes[4096];
    ssize_t size = 0;
    while ((size = read(reader_, bytes, sizeof(bytes))) > 0) all.append(bytes, static_cast<std::size_t>(size));
    return all;
  }

 private:
  int own_;
  int reader_ = -1;
};

}  // namespace

TEST_CASE("a log that nobody reads holds nobody up, and says what was lost") {
  for (const std::string format : {"text", "json"}) {
    CAPTURE(format);
    PipedStderr piped;
    SetUpLog({.level = "info", .format = format});
    constexpr int kLines = 1'000;
    for (int i = 0; i < kLines; ++i) {
      // The long one begins where there is room for a part of it.
      spdlog::info("line {} {}", i, i == 150 ? std::string(20'000, 'y') : std::string(300, 'x'));
    }
    const std::string taken = piped.Read();
    CHECK(taken.find("line 0 ") != std::string::npos);
    CHECK(taken.find("line 999 ") == std::string::npos);
    spdlog::info("somebody reads again");
    const std::string after = piped.Read();
    const auto lost = after.find(" lines of the log were not taken, and are lost");
    REQUIRE(lost != std::string::npos);
    CHECK(after.find("somebody reads again") > lost);
    CHECK(after.front() == '\n');  // the long one has no end
    int whole = 0;
    for (std::size_t at = 0; (at = taken.find('\n', at)) != std::string::npos; ++at) ++whole;
    const auto digits = after.find_last_not_of("0123456789", lost - 1) + 1;
    CHECK(std::stoi(after.substr(digits, lost - digits)) == kLines - whole);
    spdlog::info("{}", std::string(20'000, 'z'));  // longer than what is written at once
    CHECK(piped.Read().find(std::string(20'000, 'z')) != std::string::npos);
    spdlog::info("no more is said of it");
    CHECK(piped.Read().find("lost") == std::string::npos);
  }
}
