// Library: one plugin file, loaded.
//
// The file is copied into a sealed memfd, inspected there, and loaded from there: it works on read-only roots, cannot
// be swapped afterwards and is new for every generation. Code is never unmapped, and the memfd stays open as long as
// the process: glibc knows a loaded file by its path string, and a reused /proc/self/fd/N would silently give the
// earlier one.
#pragma once

#include <sgw/abi.h>
#include <sgw/status.h>

#include <memory>
#include <string>

#include "core/plugin/crash_marker.h"
#include "core/plugin/inspect.h"

namespace sgw::core {

class Library {
 public:
  // Copies and inspects; runs no code. Refusals begin with the file's path and the phase.
  static Result<std::shared_ptr<Library>> Open(const std::string& file);
  // A library that was never loaded gives its copy back.
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // Loads the copy and negotiates; once it is loaded, does nothing. On the control thread.
  Status Load(const sgw_host_table& host);

  const std::string& file() const { return file_; }
  const Tag& tag() const { return tag_; }
  // Null before Load(). Its table has all that the tag's kind needs.
  const sgw_plugin* plugin() const { return plugin_; }

 private:
  Library(std::string file, int fd, Tag tag) : file_(std::move(file)), fd_(fd), tag_(std::move(tag)) {}
  Status LoadCode(sgw_plugin_entry_fn& entry);

  const std::string file_;
  const int fd_;
  const Tag tag_;
  bool was_loaded_ = false;
  const sgw_plugin* plugin_ = nullptr;
};

}  // namespace sgw::core
