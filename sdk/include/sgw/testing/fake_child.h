// FakeChild: a process that a plugin believes to have started.
#pragma once

#include <sgw/handles.h>
#include <sgw/testing/callbacks.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw::testing {

// What was asked for, and the strings to pull. Line() and Exit() call the plugin on this thread.
class FakeChild {
 public:
  FakeChild(const sgw_child_spec& spec, detail::Callbacks& callbacks, std::int64_t process)
      : argv(sgw::detail::Copy(spec.argv)),
        environment(sgw::detail::Copy(spec.environment)),
        working_directory(sgw::detail::Text(spec.working_directory)),
        output_path(sgw::detail::Text(spec.output_path)),
        kill_after(spec.kill_after_ms),
        pid(process),
        callbacks_(callbacks),
        on_line_(callbacks.Add(spec.on_line)),
        on_exit_(callbacks.Add(spec.on_exit)) {}

  const std::vector<std::string> argv;
  const StringMap environment;
  const std::string working_directory;
  const std::string output_path;
  const Duration kill_after;
  const std::int64_t pid;

  // The plugin has asked it to end.
  bool was_told_to_end() const { return was_told_to_end_; }
  bool has_exited() const { return has_exited_; }

  // It writes a line.
  void Line(std::string_view text) {
    const sgw_view view = sgw::detail::View(text);
    callbacks_.Run(on_line_, &view, false);
  }
  // It ends, once.
  void Exit(const ChildExit& how) {
    if (has_exited_.exchange(true)) return;
    const sgw_child_exit raw = {.size = sizeof(sgw_child_exit),
                                .exit_code = how.exit_code,
                                .signal = how.signal,
                                .reserved = 0,
                                .error = sgw::detail::View(how.error)};
    callbacks_.Run(on_exit_, &raw, true);
    callbacks_.Cancel(on_line_);
  }
  // For the host.
  void TellToEnd() { was_told_to_end_ = true; }

 private:
  detail::Callbacks& callbacks_;
  const sgw_id on_line_;
  const sgw_id on_exit_;
  std::atomic<bool> was_told_to_end_{false};
  std::atomic<bool> has_exited_{false};
};

}  // namespace sgw::testing
