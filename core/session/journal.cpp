#include "core/session/journal.h"

#include <fcntl.h>
#include <sgw/json.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/config/files.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxQueued = 64 << 20;
constexpr std::size_t kSmall = 1 << 20;  // such a file is not worth writing anew
constexpr std::size_t kGrowth = 4;
constexpr auto kPauseAfterFailure = 1s;

std::string SetLine(const std::string& key, const JournalValue& value) {
  JsonWriter json;
  json.BeginObject()
      .Member("set", key)
      .Member("until_ms",
              std::chrono::duration_cast<std::chrono::milliseconds>(value.until.time_since_epoch()).count());
  return std::move(json.Member("value", value.text).EndObject()).Text() + "\n";
}

// The lock's file says who has it, for the message.
Result<int> Lock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FailedPrecondition("cannot open " + path + ": " + std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool is_taken = errno == EWOULDBLOCK;
    const std::string error = std::strerror(errno);
    char holder[32] = {};
    if (pread(fd, holder, sizeof(holder) - 1, 0) < 0) holder[0] = 0;
    close(fd);
    if (!is_taken) return FailedPrecondition("cannot lock " + path + ": " + error);
    return Unavailable(path + " is held by another gateway (process " + holder +
                       "). Give each its own sessions.state, or end the other.");
  }
  const std::string own = std::to_string(getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, own.data(), own.size(), 0) < 0) {
    spdlog::debug("{}: {}", path, std::strerror(errno));  // only the message of another process lacks a number
  }
  return fd;
}

// A time that is too far off to be written down is as far off as one can be.
WallTime TimeOf(std::int64_t milliseconds) {
  constexpr auto kLast = std::chrono::floor<std::chrono::milliseconds>(WallTime::max().time_since_epoch()).count();
  return WallTime(std::chrono::milliseconds(std::clamp(milliseconds, -kLast, kLast)));
}

// Whether the line may be the beginning of one of ours, or what a power loss left in its place.
bool IsTorn(std::string_view line) {
  if (line.find_first_not_of('\0') == line.npos) return true;
  for (const std::string_view start : {R"({"set":)", R"({"remove":)"}) {
    if (line.substr(0, start.size()) == start.substr(0, line.size())) return true;
  }
  return false;
}

// False: there is something in the file, and it is no journal.
bool Read(const std::string& path, WallTime now, std::map<std::string, JournalValue>& found) {
  std::ifstream file(path);
  std::size_t read = 0;
  std::size_t unreadable = 0;
  bool is_torn = true;
  for (std::string line; std::getline(file, line);) {
    const auto json = Json::Parse(line);
    const bool is_entry = json && (!json->String("/set").empty() || !json->String("/remove").empty());
    ++(is_entry ? read : unreadable);
    if (!is_entry) {
      is_torn = is_torn && IsTorn(line);
      continue;
    }
    if (const Json* removed = json->At("/remove"); removed && removed->as_string()) {
      found.erase(*removed->as_string());
      continue;
    }
    found[json->String("/set")] = {json->String("/value"), TimeOf(json->Integer("/until_ms"))};
  }
  std::erase_if(found, [&](const auto& one) { return one.second.until <= now; });
  // One is what a crash leaves.
  if (unreadable > 1 && read > 0) spdlog::warn("{}: {} lines cannot be read and were passed over", path, unreadable);
  return read > 0 || unreadable == 0 || (unreadable == 1 && is_torn);
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(std::string path, MetricsRegistry& metrics, WallTime now, Source source,
                                               std::map<std::string, JournalValue>& found) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory(path, error)) path += "/sessions.journal";
  if (const fs::path parent = fs::path(path).parent_path(); !parent.empty()) fs::create_directories(parent, error);
  const auto lock = Lock(path + ".lock");
  if (!lock) return Status(lock.status().code(), "sessions.state: " + lock.status().message());
  std::unique_ptr<Journal> journal(new Journal(path, *lock, metrics, std::move(source)));
  if (!Read(path, now, found)) {
    return FailedPrecondition("sessions.state: " + path + " holds something else. Name a file of the gateway's own.");
  }
  // A file that cannot be written is said at start, not found out later.
  const auto all = [&found](const Sink& sink) {
    for (const auto& [key, value] : found) sink(key, value);
  };
  if (!journal->Rewrite(all)) {
    return FailedPrecondition("sessions.state: cannot write " + path + ": " + std::strerror(errno));
  }
  journal->writer_ = std::thread([raw = journal.get()] { raw->Write(); });
  return journal;
}

Journal::Journal(std::string path, int lock, MetricsRegistry& metrics, Source source)
    : path_(std::move(path)),
      lock_(lock),
      source_(std::move(source)),
      failures_(metrics.Counter("spark_gateway_session_journal_failures_total",
                                "Writes to the session journal that failed.")) {}

Journal::~Journal() {
  if (writer_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      is_ending_ = true;
    }
    changed_.notify_all();
    writer_.join();
  }
  if (file_ >= 0) close(file_);
  close(lock_);
}

void Journal::Set(const std::string& key, const JournalValue& value) { Add(SetLine(key, value)); }

void Journal::Remove(const std::string& key) {
  JsonWriter json;
  Add(std::move(json.BeginObject().Member("remove", key).EndObject()).Text() + "\n");
}

void Journal::Add(const std::string& line) {
  {
    const std::lock_guard lock(mutex_);
    // The disk has stood still for long. What is dropped here is written when it moves again.
    if (queue_.size() + line.size() > kMaxQueued) {
      queue_.clear();
      has_overflowed_ = true;
    }
    queue_ += line;
  }
  changed_.notify_all();
}

void Journal::Flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !is_writing_; });
}

void Journal::Write() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty() || is_broken_; });
    if (queue_.empty() && !is_broken_) return;
    // What is taken from the queue here, the source has, too.
    const std::string lines = std::exchange(queue_, {});
    is_broken_ |= std::exchange(has_overflowed_, false);
    const bool is_last = is_ending_;
    is_writing_ = true;
    lock.unlock();
    const std::size_t grown = size_ + lines.size();
    const bool is_anew = is_broken_ || (grown > kSmall && grown > kGrowth * size_when_new_);
    const bool has_worked = is_anew ? Rewrite(source_) : Append(lines);
    Note(has_worked);
    lock.lock();
    is_writing_ = false;
    changed_.notify_all();
    if (has_worked) continue;
    if (is_last) return;
    changed_.wait_for(lock, kPauseAfterFailure, [this] { return is_ending_; });
  }
}

bool Journal::Append(const std::string& lines) {
  if (!WriteAll(file_, lines)) return false;
  size_ += lines.size();
  return true;
}

bool Journal::Rewrite(const Source& source) {
  const std::string fresh = path_ + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  std::string part;
  std::size_t size = 0;
  bool is_whole = true;
  const auto write_part = [&] {
    size += part.size();
    is_whole = is_whole && WriteAll(fd, part);
    part.clear();
  };
  source([&](const std::string& key, const JournalValue& value) {
    part += SetLine(key, value);
    if (part.size() >= kSmall) write_part();
  });
  write_part();
  if (!is_whole || rename(fresh.c_str(), path_.c_str()) != 0 || !SyncFolderOf(path_)) {
    const int error = errno;
    close(fd);
    unlink(fresh.c_str());
    errno = error;
    return false;
  }
  if (file_ >= 0) close(file_);
  file_ = fd;
  size_ = size_when_new_ = size;
  is_broken_ = false;
  return true;
}

void Journal::Note(bool has_worked) {
  if (has_worked) {
    if (std::exchange(was_failing_, false)) spdlog::info("{}: the session journal is whole again", path_);
    return;
  }
  failures_.Add(1);
  is_broken_ = true;
  if (std::exchange(was_failing_, true)) return;
  spdlog::error("{}: the session journal cannot be written: {}. Sessions bound now would not survive a restart.", path_,
                std::strerror(errno));
}

}  // namespace sgw::core
