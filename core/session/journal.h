// Journal: a map of texts on disk that survives the process.
//
// Each change is a line of JSON at the end of the file, written by a thread of its own: nobody waits for the disk. When
// the file has grown to a multiple of what it says, it is written anew beside the old one and takes its place. A write
// that fails is counted and logged once; later everything is written anew, so a full disk costs nothing but the time in
// which it was full. A last line that a crash has torn is passed over.
//
// One process has the file, from Open to the end: a lock on `<path>.lock` says so.
#pragma once

#include <sgw/status.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/worker/clock.h"
#include "core/worker/metrics_registry.h"

namespace sgw::core {

struct JournalValue {
  std::string text;
  WallTime until;  // it counts for nothing after that
};

class Journal {
 public:
  using Sink = std::function<void(const std::string& key, const JournalValue& value)>;
  // Gives everything that is to be kept, any thread. It may or may not show changes that are being made.
  using Source = std::function<void(const Sink&)>;

  // Opens or makes the file and gives what it says to `found`. A directory: a file in it. FAILED_PRECONDITION: another
  // process has it, or it cannot be read or written.
  static Result<std::unique_ptr<Journal>> Open(std::string path, MetricsRegistry& metrics, WallTime now, Source source,
                                               std::map<std::string, JournalValue>& found);
  // Writes what is queued.
  ~Journal();

  // Any thread; return at once.
  void Set(const std::string& key, const JournalValue& value);
  void Remove(const std::string& key);
  // Waits until what was changed before is written, or could not be.
  void Flush();

 private:
  Journal(std::string path, int lock, MetricsRegistry& metrics, Source source);
  void Add(const std::string& line);
  void Write();
  bool Append(const std::string& lines);
  bool Rewrite(const Source& source);
  void Note(bool has_worked);

  const std::string path_;
  const int lock_;
  const Source source_;
  Series& failures_;
  // Of the writer, and of Open before there is one.
  int file_ = -1;
  std::size_t size_ = 0;
  std::size_t size_when_new_ = 0;
  bool is_broken_ = false;  // the file misses something
  bool was_failing_ = false;

  std::mutex mutex_;  // Guards all below.
  std::condition_variable changed_;
  std::string queue_;
  bool has_overflowed_ = false;
  bool is_writing_ = false;
  bool is_ending_ = false;
  std::thread writer_;
};

}  // namespace sgw::core
