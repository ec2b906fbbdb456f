#include "core/plugin/library.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/dll/shared_library.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "core/plugin/answers.h"
#include "core/plugin/instance_life.h"

namespace sgw::core {
namespace {

constexpr off_t kMaxFileBytes = off_t{1} << 30;

Status Failed(const std::string& file, const char* phase, const std::string& why) {
  return FailedPrecondition(file + ": " + phase + ": " + why);
}

// Copies all of it, or says why not.
std::string CopyBytes(int source, int copy) {
  std::array<char, 64 * 1024> bytes;
  off_t total = 0;
  while (true) {
    const ssize_t size = read(source, bytes.data(), bytes.size());
    if (size < 0) return std::strerror(errno);
    if (size == 0) return {};
    total += size;
    if (total > kMaxFileBytes) return "it has more than 1 GiB";
    if (write(copy, bytes.data(), static_cast<std::size_t>(size)) != size) return std::strerror(errno);
  }
}

// A sealed copy of the file in memory.
Result<int> Copy(const std::string& file) {
  // Not blocking: the path of a pipe is a mistake, not a reason to wait.
  const int source = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (source < 0) return Failed(file, "open", std::strerror(errno));
  struct stat found {};
  if (fstat(source, &found) != 0 || !S_ISREG(found.st_mode)) {
    close(source);
    return Failed(file, "open", "this is not a file. Give the path of a .so file.");
  }
  const int copy = memfd_create("sgw-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  const std::string why = copy < 0 ? std::strerror(errno) : CopyBytes(source, copy);
  close(source);
  if (!why.empty()) {
    if (copy >= 0) close(copy);
    return Failed(file, "open", why);
  }
  fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  return copy;
}

Result<Tag> InspectCopy(int copy) {
  const off_t size = lseek(copy, 0, SEEK_END);
  if (size <= 0) return Inspect({});
  void* const image = mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, copy, 0);
  if (image == MAP_FAILED) return FailedPrecondition(std::string("inspect: ") + std::strerror(errno));
  auto tag = Inspect({static_cast<const char*>(image), static_cast<std::size_t>(size)});
  munmap(image, static_cast<std::size_t>(size));
  return tag;
}

// The loader names the copy; people know the file.
std::string WithFileName(std::string text, const std::string& alias, const std::string& file) {
  for (auto at = text.find(alias); at != std::string::npos; at = text.find(alias, at + file.size())) {
    text.replace(at, alias.size(), file);
  }
  return text;
}

template <typename Ops, typename Has>
bool HasOps(const Ops* ops, Has has) {
  return ops && has(*ops);
}

// Whether the table has the functions that every instance of the kind is asked through.
bool HasKind(const sgw_plugin& plugin, const Tag& tag) {
  switch (tag.kind) {
    case StepKind::kAuth:
      return HasOps(plugin.auth, [](auto& ops) { return SGW_HAS(&ops, authenticate) && ops.authenticate; });
    case StepKind::kRouter: return HasOps(plugin.router, [](auto& ops) { return SGW_HAS(&ops, route) && ops.route; });
    case StepKind::kHotPool:
      return HasOps(plugin.pool,
                    [](auto& ops) { return SGW_HAS(&ops, redeem) && ops.acquire && ops.release && ops.redeem; });
    case StepKind::kDiscovery:
      return HasOps(plugin.discovery, [](auto& ops) { return SGW_HAS(&ops, resolve) && ops.resolve; });
    case StepKind::kAudit:
      return HasOps(plugin.audit, [&](auto& ops) {
        return SGW_HAS(&ops, record) && ops.record && (!tag.has("admit") || (SGW_HAS(&ops, admit) && ops.admit));
      });
    case StepKind::kMetrics:
      return HasOps(plugin.metrics, [](auto& ops) { return SGW_HAS(&ops, render) && ops.render; });
    case StepKind::kSessionStore:
      return HasOps(plugin.session_store, [](auto& ops) {
        return SGW_HAS(&ops, remove) && ops.bind_if_absent && ops.look_up && ops.touch && ops.remove;
      });
  }
  return false;
}

// What is wrong with the table that a plugin gave; empty: nothing.
std::string WrongTable(const sgw_plugin& plugin, const Tag& tag) {
  const std::string cure = " Rebuild it with its SDK.";
  if (!SGW_HAS(&plugin, session_store) || plugin.abi_major != SGW_ABI_MAJOR) {
    return "its table is of ABI " + std::to_string(plugin.abi_major) + " and has " + std::to_string(plugin.size) +
           " bytes; ABI " + std::to_string(SGW_ABI_MAJOR) + " and at least " + std::to_string(sizeof(sgw_plugin)) +
           " were promised by its tag." + cure;
  }
  if (!plugin.create || !plugin.start || !plugin.quiesce || !plugin.stop || !plugin.destroy) {
    return "its table has no create, start, quiesce, stop or destroy." + cure;
  }
  if (!HasKind(plugin, tag)) {
    return std::string("its table has not all functions of the kind '") + KindName(tag.kind) + "'." + cure;
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Library>> Library::Open(const std::string& file) {
  const Result<int> copy = Copy(file);
  if (!copy) return copy.status();
  auto tag = InspectCopy(*copy);
  if (!tag) {
    close(*copy);
    return FailedPrecondition(file + ": " + tag.status().message());
  }
  return std::shared_ptr<Library>(new Library(file, *copy, *std::move(tag)));
}

Library::~Library() {
  if (!was_loaded_) close(fd_);
}

Status Library::LoadCode(sgw_plugin_entry_fn& entry) {
  namespace dll = boost::dll;
  const std::string alias = "/proc/self/fd/" + std::to_string(fd_);
  was_loaded_ = true;
  const CrashMarker marker(file_, "load");
  try {
    // The throwing overload: the other says "Bad file descriptor" for everything.
    auto library = std::make_unique<dll::shared_library>(alias, dll::load_mode::rtld_now | dll::load_mode::rtld_local);
    entry = &library->get<std::remove_pointer_t<sgw_plugin_entry_fn>>(SGW_ENTRY_SYMBOL);
    // Never destroyed: code is never unmapped.
    static auto* const kept = new std::vector<std::unique_ptr<dll::shared_library>>;
    static auto* const mutex = new std::mutex;  // Guards *kept.
    const std::lock_guard lock(*mutex);
    kept->push_back(std::move(library));
    return {};
  } catch (const std::exception& error) {
    return Failed(file_, "load",
                  WithFileName(error.what(), alias, file_) + ". Link what it needs into the plugin, or install it.");
  }
}

Status Library::Load(const sgw_host_table& host) {
  if (plugin_) return {};
  sgw_plugin_entry_fn entry = nullptr;
  if (Status status = LoadCode(entry); !status.ok()) return status;
  const CrashMarker marker(file_, "negotiate");
  Status refusal;
  const sgw_failure failure{
      &refusal, [](void* context, const sgw_status* status) { *static_cast<Status*>(context) = StatusOf(status); }};
  const sgw_plugin* plugin = nullptr;
  try {
    plugin = entry(&host, &failure);
  } catch (...) {
    return Failed(file_, "negotiate", CrossedBoundary());
  }
  if (!plugin) {
    return Failed(file_, "negotiate",
                  refusal.ok() ? "it refused without a reason. Ask its author." : refusal.message());
  }
  if (const std::string wrong = WrongTable(*plugin, tag_); !wrong.empty()) return Failed(file_, "negotiate", wrong);
  plugin_ = plugin;
  return {};
}

}  // namespace sgw::core
