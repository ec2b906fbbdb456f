// CrashMarker: says whose code a thread was running when the process died.
#pragma once

#include <string>

namespace sgw::core {

// While one lives, a fatal signal on this thread prints
// "spark-gateway: crashed inside a plugin: <file>: <phase> '<instance>'" to stderr before it ends the process as it
// would have ended, also when its stack has run full; and exit() prints "exit() was called inside a plugin: ..." and
// ends the process with 1. Markers nest; making one costs two stores.
class CrashMarker {
 public:
  // `file` and `instance` outlive the marker; `instance` may be empty.
  CrashMarker(const std::string& file, const char* phase);
  CrashMarker(const std::string& file, const char* phase, const std::string& instance);
  ~CrashMarker();
  CrashMarker(const CrashMarker&) = delete;
  CrashMarker& operator=(const CrashMarker&) = delete;

  // Installs the handlers, that of fatal signals in front of what is there; once, at the start of main.
  static void Install();

  const std::string& file() const { return file_; }
  const std::string* instance() const { return instance_; }
  const char* phase() const { return phase_; }

 private:
  CrashMarker(const std::string& file, const char* phase, const std::string* instance);

  const std::string& file_;
  const std::string* const instance_;
  const char* const phase_;
  const CrashMarker* const outer_;
};

}  // namespace sgw::core
