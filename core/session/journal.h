// Journal: the bindings on disk, so that they survive a restart of the gateway.
//
// A file of JSON lines, one per binding made or ended, written by a thread of its own; locked by one process from Open
// to the end. A torn last line is what a crash leaves, and is passed over. A write that fails is counted and logged
// once; calls go on. No secrets: a server's token is not written.
#pragma once

#include <sgw/status.h>
#include <sgw/values.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/worker/metrics_registry.h"

namespace sgw::core {

struct JournalBinding {
  std::string session_id;
  std::string subject;
  std::string user_name;
  std::string realm;
  std::vector<std::string> groups;
  std::string namespace_;
  std::string team;
  std::string environment;
  StringMap routing_headers;
  std::string sharing_key;
  std::string address;
  std::string incarnation;
  std::string lease_id;
  std::string source;
};

class Journal {
 public:
  // Opens or makes the file, locks it, reads the bindings that were not ended, and writes it anew with only these.
  // FAILED_PRECONDITION: another process has it, or it cannot be used.
  static Result<std::unique_ptr<Journal>> Open(const std::string& path, MetricsRegistry& metrics,
                                               std::vector<JournalBinding>& bindings);
  // Writes what is queued.
  ~Journal();

  // Any thread; returns at once.
  void Bound(const JournalBinding& binding);
  void Ended(const std::string& realm, const std::string& subject, const std::string& session_id);

 private:
  Journal(std::string path, int fd, MetricsRegistry& metrics);
  void Write();
  void Add(std::string line);

  const std::string path_;
  const int fd_;
  Series& failures_;
  std::mutex mutex_;  // Guards queue_ and is_ending_.
  std::condition_variable changed_;
  std::string queue_;
  bool is_ending_ = false;
  bool has_failed_ = false;  // writer thread
  std::thread writer_;
};

}  // namespace sgw::core
