// Timer, FileWatch and Child: what the host does for a plugin until the handle goes.
//
// A handle is moved, never copied. When it is destroyed, reset or assigned over, its callback runs no more: if it is
// running on another thread, the destructor waits for it; from within the callback itself it returns at once. So a
// handle that is a member declared after what its callback uses makes that use safe. Never let a handle go while
// holding a lock that its callback takes.
#pragma once

#include <sgw/abi.h>
#include <sgw/detail/link.h>
#include <sgw/values.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

namespace detail {

// A host's id together with the function that ends it.
template <auto kEnd>
class IdHandle {
 public:
  IdHandle() = default;
  IdHandle(std::shared_ptr<Link> link, sgw_id id) : link_(std::move(link)), id_(id) {}
  IdHandle(IdHandle&& other) noexcept : link_(std::move(other.link_)), id_(std::exchange(other.id_, 0)) {}
  IdHandle& operator=(IdHandle&& other) noexcept {
    if (this != &other) {
      Reset();
      link_ = std::move(other.link_);
      id_ = std::exchange(other.id_, 0);
    }
    return *this;
  }
  ~IdHandle() { Reset(); }

  void Reset() {
    const sgw_id id = std::exchange(id_, 0);
    if (id != 0) link_->WithHost([id](const sgw_host_table& table, sgw_host* host) { (table.*kEnd)(host, id); });
    link_.reset();
  }
  explicit operator bool() const { return id_ != 0; }

 private:
  std::shared_ptr<Link> link_;
  sgw_id id_ = 0;
};

// Silences the callbacks of a handle that goes.
struct Mute {
  std::recursive_mutex mutex;  // Held while a callback runs; guards is_muted.
  bool is_muted = false;

  void Set() {
    const std::lock_guard lock(mutex);
    is_muted = true;
  }
};

}  // namespace detail

// A function that runs once, later. True as long as it was not reset; also after it ran.
class Timer : public detail::IdHandle<&sgw_host_table::timer_cancel> {
  using IdHandle::IdHandle;
};

// A watched path.
class FileWatch : public detail::IdHandle<&sgw_host_table::file_unwatch> {
  using IdHandle::IdHandle;
};

// A watched secret.
class SecretWatch : public detail::IdHandle<&sgw_host_table::secret_unwatch> {
  using IdHandle::IdHandle;
};

// How a child ended.
struct ChildExit {
  int exit_code = -1;  // -1: ended by a signal, or never ran
  int signal = 0;
  std::string error{};  // why it could not be started; else empty
};

// What to start. The callbacks run on the control thread.
struct ChildSpec {
  std::vector<std::string> argv{};  // argv[0] is looked up in PATH when it has no slash; at most 10,000
  StringMap environment{};          // added to the gateway's own, which is passed on; at most 10,000
  std::string working_directory{};  // empty: the gateway's
  std::string output_path{};        // file that gets stdout and stderr as well, appended; empty: none
  Duration kill_after = 10s;        // End() sends SIGTERM to the child's group, and SIGKILL after this
  std::function<void(std::string_view line)> on_line{};  // a line of output, at most 8 KiB of it
  std::function<void(const ChildExit& how)> on_exit{};   // once; nothing follows
};

// A child process in a group of its own. Whatever becomes of the gateway, the group is ended with it. The destructor
// ends the child too; only then on_exit is not told.
class Child {
 public:
  // For the glue.
  Child() = default;
  Child(std::shared_ptr<detail::Link> link, std::shared_ptr<detail::Mute> mute, sgw_id id)
      : link_(std::move(link)), mute_(std::move(mute)), id_(id) {}
  Child(Child&& other) noexcept
      : link_(std::move(other.link_)), mute_(std::move(other.mute_)), id_(std::exchange(other.id_, 0)) {}
  Child& operator=(Child&& other) noexcept {
    if (this != &other) {
      Reset();
      link_ = std::move(other.link_);
      mute_ = std::move(other.mute_);
      id_ = std::exchange(other.id_, 0);
    }
    return *this;
  }
  ~Child() { Reset(); }

  // Asks the child and its descendants to end; on_exit follows. May be called again.
  void End() const {
    if (id_ == 0) return;
    link_->WithHost([this](const sgw_host_table& table, sgw_host* host) { table.child_end(host, id_); });
  }
  // The process id, 0 while it is not known.
  std::int64_t pid() const {
    std::int64_t pid = 0;
    if (id_ == 0) return pid;
    link_->WithHost([&](const sgw_host_table& table, sgw_host* host) {
      if (SGW_HAS(&table, child_pid) && table.child_pid) pid = table.child_pid(host, id_);
    });
    return pid;
  }
  void Reset() {
    if (id_ == 0) return;
    mute_->Set();
    End();
    id_ = 0;
    mute_.reset();
    link_.reset();
  }
  explicit operator bool() const { return id_ != 0; }

 private:
  std::shared_ptr<detail::Link> link_;
  std::shared_ptr<detail::Mute> mute_;
  sgw_id id_ = 0;
};

}  // namespace sgw
