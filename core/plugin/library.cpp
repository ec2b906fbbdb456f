#include "core/plugin/library.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <boost/dll/shared_library.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace sgw::core {
namespace {

constexpr off_t kMaxFileBytes = off_t{1} << 30;

// What the handler prints; written before code of a plugin runs, and read in a signal handler.
char crash_text[512];
volatile std::sig_atomic_t crash_size = 0;

void OnFatalSignal(int signal) {
  if (crash_size > 0) {
    [[maybe_unused]] const auto written = write(STDERR_FILENO, crash_text, static_cast<std::size_t>(crash_size));
  }
  std::signal(signal, SIG_DFL);
  raise(signal);
}

Status Failed(const std::string& file, const char* phase, const std::string& why) {
  return FailedPrecondition(file + ": " + phase + ": " + why);
}

// A sealed copy of the file in memory.
Result<int> Copy(const std::string& file) {
  const int source = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (source < 0) return Failed(file, "open", std::strerror(errno));
  const int copy = memfd_create("sgw-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  std::array<char, 64 * 1024> bytes;
  ssize_t size = 0;
  off_t total = 0;
  while (copy >= 0 && (size = read(source, bytes.data(), bytes.size())) > 0) {
    total += size;
    if (total > kMaxFileBytes || write(copy, bytes.data(), static_cast<std::size_t>(size)) != size) {
      size = -1;
      break;
    }
  }
  const int error = errno;
  close(source);
  if (copy < 0 || size < 0) {
    if (copy >= 0) close(copy);
    return Failed(file, "open", total > kMaxFileBytes ? "more than 1 GiB" : std::strerror(error));
  }
  fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  return copy;
}

}  // namespace

CrashMarker::CrashMarker(const std::string& file, const char* phase) {
  const std::string text = "spark-gateway: crashed inside a plugin: " + file.substr(0, 300) + ": " + phase + "\n";
  std::memcpy(crash_text, text.data(), text.size());
  crash_size = static_cast<std::sig_atomic_t>(text.size());
}

CrashMarker::~CrashMarker() { crash_size = 0; }

void CrashMarker::Install() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) std::signal(signal, OnFatalSignal);
}

Result<std::shared_ptr<Library>> Library::Open(const std::string& file) {
  const Result<int> copy = Copy(file);
  if (!copy) return copy.status();
  const off_t size = lseek(*copy, 0, SEEK_END);
  void* image = size > 0 ? mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, *copy, 0) : nullptr;
  if (image == MAP_FAILED) image = nullptr;
  auto tag = Inspect({static_cast<const char*>(image), image ? static_cast<std::size_t>(size) : 0});
  if (image) munmap(image, static_cast<std::size_t>(size));
  if (!tag) {
    close(*copy);
    return FailedPrecondition(file + ": " + tag.status().message());
  }
  return std::shared_ptr<Library>(new Library(file, *copy, *std::move(tag)));
}

Status Library::Load(const sgw_host_table& host) {
  if (plugin_) return {};
  const CrashMarker marker(file_, "load");
  sgw_plugin_entry_fn entry = nullptr;
  try {
    namespace dll = boost::dll;
    // The throwing overload: the other says "Bad file descriptor" for everything. Leaked: code is never unmapped.
    auto* library = new dll::shared_library("/proc/self/fd/" + std::to_string(fd_),
                                            dll::load_mode::rtld_now | dll::load_mode::rtld_local);
    if (!library->has(SGW_ENTRY_SYMBOL)) {
      return Failed(file_, "load", "it does not export " SGW_ENTRY_SYMBOL ". Build it with sgw_add_plugin().");
    }
    entry = &library->get<std::remove_pointer_t<sgw_plugin_entry_fn>>(SGW_ENTRY_SYMBOL);
  } catch (const std::exception& error) {
    // The text names the copy; people know the file.
    std::string why = error.what();
    const std::string alias = "/proc/self/fd/" + std::to_string(fd_);
    for (auto at = why.find(alias); at != std::string::npos; at = why.find(alias)) why.replace(at, alias.size(), file_);
    return Failed(file_, "load", why);
  }
  Status refusal;
  const sgw_failure failure{&refusal, [](void* context, const sgw_status* status) {
                              *static_cast<Status*>(context) =
                                  Status(static_cast<StatusCode>(status->code),
                                         std::string(status->message.data, status->message.size));
                            }};
  const sgw_plugin* plugin = entry(&host, &failure);
  if (!plugin) return Failed(file_, "negotiate", refusal.ok() ? "it refused without a reason" : refusal.message());
  if (plugin->abi_major != SGW_ABI_MAJOR || plugin->size < offsetof(sgw_plugin, session_store)) {
    return Failed(file_, "negotiate",
                  "its table is for ABI " + std::to_string(plugin->abi_major) + " and has " +
                      std::to_string(plugin->size) + " bytes; its tag says otherwise");
  }
  plugin_ = plugin;
  return {};
}

}  // namespace sgw::core
