#include "core/session/journal.h"

#include <fcntl.h>
#include <sgw/json.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

namespace sgw::core {
namespace {

constexpr std::size_t kMaxQueued = 64 << 20;

std::string LineOf(const JournalBinding& binding) {
  JsonWriter json;
  json.BeginObject()
      .Member("event", "bound")
      .Member("session_id", binding.session_id)
      .Member("subject", binding.subject);
  json.Member("user_name", binding.user_name).Member("realm", binding.realm).Member("namespace", binding.namespace_);
  json.Member("team", binding.team)
      .Member("environment", binding.environment)
      .Member("sharing_key", binding.sharing_key);
  json.Member("address", binding.address).Member("incarnation", binding.incarnation);
  json.Member("lease_id", binding.lease_id).Member("source", binding.source);
  json.Key("groups").BeginArray();
  for (const auto& group : binding.groups) json.Value(group);
  json.EndArray().Key("routing_headers").BeginObject();
  for (const auto& [name, value] : binding.routing_headers) json.Member(name, value);
  json.EndObject().EndObject();
  return std::move(json).Text() + "\n";
}

JournalBinding BindingOf(const Json& json) {
  JournalBinding binding;
  binding.session_id = json.String("/session_id");
  binding.subject = json.String("/subject");
  binding.user_name = json.String("/user_name");
  binding.realm = json.String("/realm");
  binding.groups = json.Strings("/groups");
  binding.namespace_ = json.String("/namespace");
  binding.team = json.String("/team");
  binding.environment = json.String("/environment");
  binding.sharing_key = json.String("/sharing_key");
  binding.address = json.String("/address");
  binding.incarnation = json.String("/incarnation");
  binding.lease_id = json.String("/lease_id");
  binding.source = json.String("/source");
  if (const Json* headers = json.At("/routing_headers")) {
    for (const auto& [name, value] : headers->members()) {
      if (value.as_string()) binding.routing_headers.emplace_back(name, *value.as_string());
    }
  }
  return binding;
}

std::string KeyOf(const std::string& realm, const std::string& subject, const std::string& session_id) {
  return realm + '\n' + subject + '\n' + session_id;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& path, MetricsRegistry& metrics,
                                               std::vector<JournalBinding>& bindings) {
  const auto failed = [&](const char* what) {
    return FailedPrecondition("sessions.state: cannot " + std::string(what) + " " + path + ": " + std::strerror(errno));
  };
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return failed("open");
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool is_taken = errno == EWOULDBLOCK;
    const Status status =
        is_taken ? FailedPrecondition("sessions.state: " + path +
                                      " is in use by another gateway. Give each its own, or end the other.")
                 : failed("lock");
    close(fd);
    return status;
  }
  std::map<std::string, JournalBinding> live;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto json = Json::Parse(line);
    if (!json) continue;  // torn by a crash
    JournalBinding binding = BindingOf(*json);
    const std::string key = KeyOf(binding.realm, binding.subject, binding.session_id);
    if (json->String("/event") == "bound")
      live[key] = std::move(binding);
    else
      live.erase(key);
  }
  // What is left is written in place: the lock belongs to this file.
  std::string content;
  for (const auto& [key, binding] : live) content += LineOf(binding);
  if (ftruncate(fd, 0) != 0 || !WriteAll(fd, content)) {
    const Status status = failed("write");
    close(fd);
    return status;
  }
  for (auto& [key, binding] : live) bindings.push_back(std::move(binding));
  return std::unique_ptr<Journal>(new Journal(path, fd, metrics));
}

Journal::Journal(std::string path, int fd, MetricsRegistry& metrics)
    : path_(std::move(path)),
      fd_(fd),
      failures_(metrics.Counter("spark_gateway_session_journal_failures_total",
                                "Writes to the session journal that failed.")),
      writer_([this] { Write(); }) {}

Journal::~Journal() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  writer_.join();
  close(fd_);
}

void Journal::Bound(const JournalBinding& binding) { Add(LineOf(binding)); }

void Journal::Ended(const std::string& realm, const std::string& subject, const std::string& session_id) {
  JsonWriter json;
  json.BeginObject().Member("event", "ended").Member("session_id", session_id).Member("subject", subject);
  json.Member("realm", realm).EndObject();
  Add(std::move(json).Text() + "\n");
}

void Journal::Add(std::string line) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() + line.size() > kMaxQueued) return failures_.Add(1);  // the disk has stood still for long
    queue_ += line;
  }
  changed_.notify_one();
}

void Journal::Write() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::string lines = std::exchange(queue_, {});
    lock.unlock();
    if (WriteAll(fd_, lines)) {
      if (std::exchange(has_failed_, false)) spdlog::info("the session journal {} can be written again", path_);
    } else {
      failures_.Add(1);
      if (!std::exchange(has_failed_, true)) {
        spdlog::error("the session journal {} cannot be written: {}; sessions bound now will not survive a restart",
                      path_, std::strerror(errno));
      }
    }
    lock.lock();
  }
}

}  // namespace sgw::core
