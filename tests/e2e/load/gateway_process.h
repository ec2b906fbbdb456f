// The real gateway as a process, and clients of ours that read or do not, for tests of how it carries loads.
#pragma once

#include <sgw/testing/temp_dir.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>

#include "tests/core/http2/pair.h"
#include "tests/e2e/scripted_server/scripted_server.h"

namespace sgw::core::testing {

// Whether it comes to be true within half a minute; for what another process does, which tells nobody.
bool Comes(const std::function<bool()>& condition);

// What the clients send as their token, and the gateway as the driver's. Neither stands in what it writes or answers.
inline constexpr std::string_view kClientSecret = "canary-of-the-client-4f1c";
inline constexpr std::string_view kDriverSecret = "canary-of-the-driver-9b2e";

class GatewayProcess {
 public:
  // One worker; callers are who they say they are. The team `ready` has the driver, every other one a pool whose
  // servers take a minute to start. `more`: further members of the configuration, as JSON; `routing`: of the router's.
  explicit GatewayProcess(const std::string& driver, const std::string& more = "", const std::string& routing = "");
  // Kills what still runs, and looks for the secrets in its log, its audit and, while it runs, its metrics. What a
  // sanitizer found in it fails the test.
  ~GatewayProcess();

  void Signal(int signal);
  // The exit code, or minus the signal that ended it. Fails after 30 seconds.
  int WaitForExit();

  // The status and body of a page of the admin port.
  std::pair<int, std::string> Get(const std::string& path) const;
  // The value of a series without labels.
  double Metric(const std::string& name) const;
  // How many lines of the audit tell of such an event.
  int Recorded(const std::string& event) const;
  // A line of /proc/PID/status in KiB: VmRSS, VmHWM.
  long Memory(const std::string& name) const;

  std::string address;

 private:
  const sgw::testing::TempDir folder_;
  std::string http_;
  pid_t pid_ = -1;
};

// Clients on a worker of their own.
class Clients {
 public:
  Clients() { workers_.Start(); }
  ~Clients() { workers_.Stop(); }

  std::shared_ptr<ClientConnection> Connect(const std::string& address, ConnectionOptions options = {});
  // Opens a call and sends this message whole; `path` is a method of Spark's unless it has slashes.
  void Call(ClientConnection& connection, Recorder& call, std::string path, const std::string& message,
            std::vector<HeaderField> more = {});
  void On(const std::function<void()>& function);
  // A call that is answered OK. Returns how long it took.
  std::chrono::milliseconds Ask(ClientConnection& connection, const std::string& path, const std::string& message,
                                std::vector<HeaderField> more = {});

 private:
  WorkerPool workers_{1};
};

// A request of this user's session; sessions are numbered.
std::string SparkRequest(const std::string& user, int session);
std::string CodeOf(Recorder& call);

}  // namespace sgw::core::testing
