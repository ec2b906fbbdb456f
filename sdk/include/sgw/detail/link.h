// Link: one instance's line to its host, which every handle that may outlive the instance shares.
#pragma once

#include <sgw/abi.h>
#include <sgw/status.h>
#include <sgw/views.h>

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace sgw::detail {

// Guards two doors. Calls to the host are let through until the instance is destroyed, so that a late Completion on a
// foreign thread cannot touch a host that is gone. Callbacks from the host are let through until the instance has
// stopped; closing waits for nobody but says when the last one has left.
class Link {
 public:
  Link(const sgw_host_table* functions, sgw_host* handle) : table_(functions), host_(handle) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  const sgw_host_table* table() const { return table_; }
  sgw_host* host() const { return host_; }

  // Runs `use(table, host)` unless the instance is gone.
  template <typename F>
  void WithHost(F use) {
    {
      const std::lock_guard lock(mutex_);
      if (!is_host_open_) return;
      ++users_;
    }
    use(*table_, host_);
    const std::lock_guard lock(mutex_);
    if (--users_ == 0) idle_.notify_all();
  }

  // Returns when nobody uses the host any more; nobody will.
  void CloseHost() {
    std::unique_lock lock(mutex_);
    is_host_open_ = false;
    idle_.wait(lock, [this] { return users_ == 0; });
  }

  // Runs a callback of the plugin unless it has stopped. What it throws is told in the log and counted.
  template <typename F>
  void Callback(const char* what, F run) {
    {
      const std::lock_guard lock(mutex_);
      if (!are_callbacks_open_) return;
      ++callbacks_;
    }
    try {
      run();
    } catch (const std::exception& error) {
      Thrown(what, error.what());
    } catch (...) {
      Thrown(what, "something that is no std::exception");
    }
    std::function<void()> then;
    {
      const std::lock_guard lock(mutex_);
      if (--callbacks_ == 0) then = std::exchange(when_quiet_, nullptr);
    }
    if (then) then();
  }

  // No callback begins any more; `then` runs, perhaps on this thread, when none is running.
  void CloseCallbacks(std::function<void()> then) {
    {
      const std::lock_guard lock(mutex_);
      are_callbacks_open_ = false;
      if (callbacks_ != 0) {
        when_quiet_ = std::move(then);
        return;
      }
    }
    then();
  }

  // Tells that the plugin threw: one log line and one count.
  void Thrown(const char* where, const char* what) noexcept {
    try {
      WithHost([&](const sgw_host_table& host, sgw_host* self) {
        host.log(self, SGW_LOG_ERROR, View(std::string("the plugin threw in ") + where + ": " + what));
        Count(host, self, "spark_gateway_plugin_exceptions_total", "Exceptions that a plugin let out.",
              {View("where"), View(where)});
      });
    } catch (...) {  // Out of memory: the answer is what counts.
    }
  }

  // Counts a promise that the plugin broke: "twice" or "never" answered. The host counts what reaches it.
  void Misused(const char* reason) noexcept {
    try {
      WithHost([&](const sgw_host_table& host, sgw_host* self) {
        Count(host, self, "spark_gateway_plugin_answer_misuse_total",
              "Times that a plugin broke the rules of the boundary; what it said then had no effect.",
              {View("reason"), View(reason)});
      });
    } catch (...) {  // As above.
    }
  }

 private:
  static void Count(const sgw_host_table& host, sgw_host* self, const char* name, const char* help, sgw_pair label) {
    sgw_series* series = host.metric(self, SGW_METRIC_COUNTER, View(name), View(help), {&label, 1}, nullptr, 0);
    if (series) host.metric_add(series, 1);
  }

  const sgw_host_table* const table_;
  sgw_host* const host_;

  std::mutex mutex_;  // Guards the members below.
  std::condition_variable idle_;
  bool is_host_open_ = true;
  bool are_callbacks_open_ = true;
  int users_ = 0;
  int callbacks_ = 0;
  std::function<void()> when_quiet_;
};

// The status as the boundary wants it; borrows its message.
inline sgw_status Raw(const Status& status) {
  return {.size = sizeof(sgw_status),
          .code = static_cast<std::int32_t>(status.code()),
          .message = View(status.message()),
          .retry_ms = status.retry_delay() ? status.retry_delay()->count() : -1};
}

inline Status FromRaw(const sgw_status* raw) {
  if (!raw || raw->code == 0) return {};
  const bool known = raw->code > 0 && raw->code <= static_cast<int>(StatusCode::kUnauthenticated);
  const auto code = known ? static_cast<StatusCode>(raw->code) : StatusCode::kUnknown;
  if (raw->retry_ms < 0) return {code, std::string(Text(raw->message))};
  return {code, std::string(Text(raw->message)), RetryIn(Duration(raw->retry_ms))};
}

}  // namespace sgw::detail
