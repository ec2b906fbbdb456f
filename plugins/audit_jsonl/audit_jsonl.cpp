#include "audit_jsonl.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace sgw::plugins {
namespace {

std::string TimeText(WallTime when) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof(text) - size, ".%03dZ", static_cast<int>(ms % 1000));
  return text;
}

// A pipe that can be written takes this much at once without waiting.
constexpr std::size_t kPiece = PIPE_BUF;

// How many of them could be written; errno says why not all. A reader that has stopped is waited for until `give_up`
// can be read.
std::size_t WriteAll(int fd, std::string_view bytes, int give_up) {
  struct stat found {};
  const bool may_wait = fstat(fd, &found) != 0 || !S_ISREG(found.st_mode);
  std::size_t written = 0;
  while (written < bytes.size()) {
    std::size_t next = bytes.size() - written;
    if (may_wait) {
      next = std::min(next, kPiece);
      pollfd both[] = {{fd, POLLOUT, 0}, {give_up, POLLIN, 0}};
      if (poll(both, 2, -1) < 0 && errno == EINTR) continue;
      if (both[0].revents == 0) {
        errno = ECANCELED;
        break;
      }
    }
    const ssize_t size = write(fd, bytes.data() + written, next);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    written += static_cast<std::size_t>(size);
  }
  return written;
}

// What a full disk or a crash of an earlier process may have left.
bool EndsInsideLine(const std::string& path, int fd) {
  struct stat found {};
  if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size == 0) return false;
  const int reader = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char last = '\n';
  const bool is_read = reader >= 0 && pread(reader, &last, 1, found.st_size - 1) == 1;
  if (reader >= 0) close(reader);
  return is_read && last != '\n';
}

// Without making the file; errno says why not.
bool CanBeWritten(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    if (errno != ENOENT) return false;
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    return access(folder.c_str(), W_OK | X_OK) == 0;
  }
  if (S_ISDIR(found.st_mode)) errno = EISDIR;
  return !S_ISDIR(found.st_mode) && access(path.c_str(), W_OK) == 0;
}

}  // namespace

std::string LineOf(const Record& record) {
  JsonWriter json;
  json.BeginObject().Member("time", TimeText(record.time)).Member("event", EventName(record.event));
  const auto text = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) json.Member(name, value);
  };
  text("call", record.call_id);
  text("traceparent", record.traceparent);
  text("listener", record.listener);
  text("peer", record.peer_address);
  text("realm", record.realm);
  text("subject", record.subject);
  text("user_name", record.user_name);
  text("actor", record.actor);
  if (!record.groups.empty()) {
    json.Key("groups").BeginArray();
    for (const std::string_view group : record.groups) json.Value(group);
    json.EndArray();
  }
  text("namespace", record.namespace_);
  text("team", record.team);
  text("environment", record.environment);
  text("method", record.method);
  text("session", record.session_id);
  text("operation", record.operation_id);
  text("client", record.client_type);
  text("endpoint", record.endpoint);
  text("lease", record.lease_id);
  text("refused_by", record.refused_by);
  text("reason", record.reason);
  const bool has_ended = record.event == RecordEvent::kOperationEnded || record.event == RecordEvent::kCallEnded ||
                         record.event == RecordEvent::kCallRefused;
  if (has_ended) {
    json.Member("code", CodeName(record.code));
    text("message", record.message);
    json.Member("bytes_from_client", record.bytes_from_client).Member("bytes_to_client", record.bytes_to_client);
    json.Member("duration_ms", std::chrono::duration<double, std::milli>(record.duration).count());
  }
  json.EndObject();
  return std::move(json).Text() + "\n";
}

Status JsonLinesSettings::Validate() const {
  if (on_full != "drop" && on_full != "refuse")
    return InvalidArgument("on_full: must be drop or refuse, not '" + on_full + "'");
  if (queue < 1 || queue > 10'000'000) return InvalidArgument("queue: must be from 1 to 10000000");
  if (path.empty()) return InvalidArgument("path: must be a file or stdout");
  return {};
}

JsonLines::JsonLines(JsonLinesSettings settings, Host& host)
    : settings_(std::move(settings)),
      path_(settings_.path == "stdout" ? settings_.path : host.Path(settings_.path)),
      host_(host),
      written_(host.MakeCounter("spark_gateway_audit_written_total", "Audit records that were written.")),
      dropped_(host.MakeCounter("spark_gateway_audit_dropped_total",
                                "Audit records that were dropped: the queue was full.")),
      failed_(host.MakeCounter("spark_gateway_audit_failures_total", "Writes of audit records that failed.")),
      give_up_(eventfd(0, EFD_CLOEXEC)) {
  if (path_ == "stdout" || CanBeWritten(path_)) return;
  const std::string why = std::strerror(errno);
  close(give_up_);
  throw std::runtime_error("path: cannot open " + path_ + ": " + why);
}

JsonLines::~JsonLines() {
  End();
  close(give_up_);
}

bool JsonLines::Open() {
  if (path_ == "stdout") {
    fd_ = STDOUT_FILENO;
    return true;
  }
  struct stat named {};
  struct stat open_one {};
  const bool is_same = fd_ >= 0 && stat(path_.c_str(), &named) == 0 && fstat(fd_, &open_one) == 0 &&
                       named.st_ino == open_one.st_ino && named.st_dev == open_one.st_dev;
  if (is_same) return true;
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return false;
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  is_torn_ = EndsInsideLine(path_, fd);
  return true;
}

void JsonLines::Start(Completion<Status> done) {
  if (!Open()) return done(FailedPrecondition("cannot open " + path_ + ": " + std::strerror(errno)));
  writer_ = std::thread([this] { Run(); });
  done(Status());
}

void JsonLines::Write(const Record& record) {
  if (record.event == RecordEvent::kCallEnded && !settings_.calls) return;
  const std::string line = LineOf(record);
  {
    const std::lock_guard lock(mutex_);
    if (queued_ >= settings_.queue || is_ending_) return dropped_.Add();
    queue_ += line;
    ++queued_;
  }
  changed_.notify_all();
}

void JsonLines::Admit(const Record&, Completion<Status> done) {
  if (settings_.on_full == "refuse") {
    const std::lock_guard lock(mutex_);
    if (queued_ >= settings_.queue || has_failed_) {
      return done(Unavailable("The gateway cannot write its audit trail now, so no operation may start.", RetryIn(5s)));
    }
  }
  done(Status());
}

std::int64_t JsonLines::WriteLines(const std::string& lines) {
  if (!Open()) return 0;
  if (is_torn_ && WriteAll(fd_, "\n", give_up_) == 0) return 0;
  const std::size_t size = WriteAll(fd_, lines, give_up_);
  const auto end = lines.begin() + static_cast<std::ptrdiff_t>(size);
  is_torn_ = size > 0 && lines[size - 1] != '\n';
  return std::count(lines.begin(), end, '\n');
}

void JsonLines::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::string lines = std::exchange(queue_, {});
    const std::int64_t count = queued_;
    is_writing_ = true;
    lock.unlock();
    const std::int64_t written = WriteLines(lines);
    const int error = errno;
    const bool is_good = written == count;
    lock.lock();
    is_writing_ = false;
    queued_ -= count;
    written_.Add(static_cast<double>(written));
    failed_.Add(static_cast<double>(count - written));
    if (is_good == has_failed_) {
      if (is_good)
        host_.Info("the audit trail can be written again");
      else
        host_.Error("cannot write " + path_ + ": " + std::strerror(error));
    }
    has_failed_ = !is_good;
    changed_.notify_all();
  }
}

void JsonLines::Quiesce(Completion<Status> done) {
  // The end of the process: what is queued is to be on disk.
  AwaitWriter();
  done(Status());
}

void JsonLines::Stop(Completion<Status> done) {
  End();
  done(Status());
}

void JsonLines::AwaitWriter() {
  std::unique_lock lock(mutex_);
  const bool is_done = changed_.wait_for(lock, std::exchange(patience_, {}),
                                         [this] { return (queue_.empty() && !is_writing_) || !writer_.joinable(); });
  if (is_done) patience_ = kPatience;
}

void JsonLines::End() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  AwaitWriter();
  [[maybe_unused]] const int woken = eventfd_write(give_up_, 1);
  if (writer_.joinable()) writer_.join();
  if (fd_ > STDERR_FILENO) close(fd_);
  fd_ = -1;
}

}  // namespace sgw::plugins
