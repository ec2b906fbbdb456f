// JsonLines writes a line of JSON for each thing that happened to a session, an operation, or a call that was refused.
//
// Records are queued and written by a thread of the plugin's own, so that a slow disk keeps nobody waiting.
#pragma once

#include <sgw/plugin.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace sgw::plugins {

struct JsonLinesSettings {
  std::string path = "stdout";
  std::int64_t queue = 100'000;
  std::string on_full = "drop";
  bool calls = false;

  static constexpr auto kSchema = Settings(
      Setting("path", &JsonLinesSettings::path, "The file, appended to and reopened when it was rotated; or stdout."),
      Setting("queue", &JsonLinesSettings::queue, "How many records may wait to be written."),
      Setting("on_full", &JsonLinesSettings::on_full,
              "What happens when so many wait: drop (they are counted), or refuse (operations may not start)."),
      Setting("calls", &JsonLinesSettings::calls, "Also a line for every call that ended; these are many."));

  Status Validate() const;
};

class JsonLines : public Audit {
 public:
  static constexpr bool kAdmits = true;

  JsonLines(JsonLinesSettings settings, Host& host);
  ~JsonLines() override;

  void Start(Completion<Status> done) override;
  void Quiesce(Completion<Status> done) override;
  void Stop(Completion<Status> done) override;
  void Write(const Record& record) override;
  void Admit(const Record& record, Completion<Status> done) override;

 private:
  // Opens the file when it is not open, or is not the one that the path names any more. False: it cannot be.
  bool Open();
  // How many of the lines are in the file; errno says why not all.
  std::int64_t WriteLines(const std::string& lines);
  void Run();
  // Until all is written; a reader or a disk that stands still has its time once.
  void AwaitWriter();
  void End();

  const JsonLinesSettings settings_;
  const std::string path_;
  Host& host_;
  const Counter written_;
  const Counter dropped_;
  const Counter failed_;

  std::mutex mutex_;  // Guards all up to is_ending_.
  std::condition_variable changed_;
  std::string queue_;
  std::int64_t queued_ = 0;
  bool is_writing_ = false;
  bool has_failed_ = false;
  bool is_ending_ = false;

  static constexpr std::chrono::seconds kPatience{5};
  std::chrono::seconds patience_ = kPatience;  // control thread: how long the writer is waited for

  const int give_up_;     // an event: what is not written yet is let go of
  int fd_ = -1;           // writer thread, once it runs
  bool is_torn_ = false;  // writer thread: the file ends inside a line
  std::thread writer_;
};

// The line of a record, with its end. Every control byte is escaped.
std::string LineOf(const Record& record);

}  // namespace sgw::plugins
