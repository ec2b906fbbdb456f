#include "local_processes.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "command.h"

namespace sgw::plugins {

namespace {

const std::string kLoopback = "127.0.0.1:";
constexpr std::size_t kKeptLines = 10;
// All of them fit into the message of a status, which is cut at 2 KiB: the last ones say most.
constexpr std::size_t kKeptBytes = 160;
constexpr Duration kProbeTimeout = 2s;
constexpr Duration kProbePause = 100ms;

bool HasPort(const std::vector<std::string>& command) {
  return std::any_of(command.begin(), command.end(),
                     [](const std::string& each) { return each.find("{port}") != std::string::npos; });
}

// Ends between two characters of UTF-8.
std::string Shortened(std::string_view line) {
  if (line.size() <= kKeptBytes) return std::string(line);
  std::size_t size = kKeptBytes;
  while (size > 0 && (static_cast<unsigned char>(line[size]) & 0xC0) == 0x80) --size;
  return std::string(line.substr(0, size)) + "...";
}

// In plain text whatever the gateway's configuration says of drivers: Spark has no TLS of its own, and nothing leaves
// the machine.
Endpoint LocalEndpoint(std::string address, const std::string& id, const Secret& token) {
  Endpoint endpoint{.address = std::move(address), .incarnation = id, .token = token};
  endpoint.tls = Tls::kOff;
  return endpoint;
}

std::string Explain(const ChildExit& how) {
  if (!how.error.empty()) return "could not be started: " + how.error;
  if (how.signal == SIGKILL) return "killed, perhaps out of memory";
  if (how.signal != 0) return "ended by signal " + std::to_string(how.signal);
  return "ended with exit code " + std::to_string(how.exit_code);
}

bool IsProgram(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

// As execvp() looks for it.
bool HasProgram(const std::string& program, std::string_view path) {
  if (program.find('/') != std::string::npos) return IsProgram(program);
  while (true) {
    const std::size_t end = path.find(':');
    const std::string folder(path.substr(0, end));
    if (IsProgram((folder.empty() ? "." : folder) + "/" + program)) return true;
    if (end == std::string_view::npos) return false;
    path.remove_prefix(end + 1);
  }
}

// The folder, or the nearest above it, where it is to be made.
bool CanHaveFiles(std::filesystem::path folder) {
  std::error_code ignored;
  while (!std::filesystem::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return std::filesystem::is_directory(folder, ignored) && access(folder.c_str(), W_OK | X_OK) == 0;
}

}  // namespace

Status LocalProcessesSettings::Validate() const {
  if (command.empty() || command[0].empty()) return InvalidArgument("command: names no program");
  if (!HasPort(command) && ready_line.find("{address}") == std::string::npos) {
    return InvalidArgument("ready_line: needs {address}, unless the command has {port}");
  }
  if (token_variable.find_first_of(std::string_view("=\0", 2)) != std::string::npos) {
    return InvalidArgument("token_variable: this is no name of a variable");
  }
  if (!token_variable.empty() && Find(environment, token_variable)) {
    return InvalidArgument("environment." + token_variable +
                           ": the gateway makes it for each server; a token_variable of \"\" leaves it to you");
  }
  if (kill_after < 0s) return InvalidArgument("kill_after: cannot be negative");
  return {};
}

LocalProcesses::LocalProcesses(LocalProcessesSettings settings, Host& host)
    : settings_(std::move(settings)), picks_port_(HasPort(settings_.command)), host_(host) {
  if (const Status status = CheckFiles(); !status.ok()) throw std::runtime_error(status.message());
}

// Without making anything.
Status LocalProcesses::CheckFiles() const {
  std::error_code ignored;
  const std::string& program = settings_.command[0];
  const std::string* const path = sgw::Find(settings_.environment, "PATH");
  const bool is_known = program.find('{') == std::string::npos && (!path || path->find('{') == std::string::npos);
  const std::string shown = program.find('/') == std::string::npos ? program : host_.Path(program);
  const char* const own_path = path ? path->c_str() : std::getenv("PATH");
  if (is_known && !HasProgram(shown, own_path ? own_path : "/bin:/usr/bin"))
    return InvalidArgument("command[0]: there is no program '" + shown + "'");
  const std::string directory = host_.Path(settings_.working_directory);
  if (!directory.empty() && !std::filesystem::is_directory(directory, ignored))
    return InvalidArgument("working_directory: there is no folder '" + directory + "'");
  const std::string logs = host_.Path(settings_.log_directory);
  if (!logs.empty() && !CanHaveFiles(logs))
    return InvalidArgument("log_directory: '" + logs + "' cannot be made or written");
  return {};
}

void LocalProcesses::Start(const Route& route, std::string id, PhaseReport phase, Completion<Result<Server>> done) {
  std::optional<Endpoint> endpoint;
  std::string port;
  const Secret token = settings_.token_variable.empty() ? Secret() : MakeToken();
  if (token.empty() && !settings_.token_variable.empty()) {
    return done(Unavailable("the system gives no random bytes for the server's token"));
  }
  if (picks_port_) {
    port = PickPort();
    if (port.empty()) return done(Unavailable("no free port on 127.0.0.1 was found"));
    endpoint = LocalEndpoint(kLoopback + port, id, token);
  }
  Result<ChildSpec> spec = MakeSpec(route, id, port, token);
  if (!spec) return done(spec.status());
  phase("starting the server's process");
  Process& process = processes_[id];
  process.phase = std::move(phase);
  process.started = std::move(done);
  process.token = token;
  process.endpoint = std::move(endpoint);
  process.child = host_.StartChild(*std::move(spec));
  if (process.endpoint) process.next_probe = host_.StartTimer(kProbePause, [this, id] { Probe(id); });
}

std::string LocalProcesses::PickPort() const {
  for (int i = 0; i < 100; ++i) {
    const int port = FindFreePort();
    const bool is_taken = std::any_of(processes_.begin(), processes_.end(), [&](const auto& each) {
      return each.second.endpoint && each.second.endpoint->address == kLoopback + std::to_string(port);
    });
    if (port != 0 && !is_taken) return std::to_string(port);
  }
  return {};
}

Result<ChildSpec> LocalProcesses::MakeSpec(const Route& route, const std::string& id, const std::string& port,
                                           const Secret& token) {
  const Placeholders values{.route = route, .id = id, .port = port};
  ChildSpec spec;
  for (const std::string& each : settings_.command) {
    Result<std::string> argument = Expand(each, values);
    if (!argument) return argument.status();
    spec.argv.push_back(*std::move(argument));
  }
  if (spec.argv[0].find('/') != std::string::npos) spec.argv[0] = host_.Path(spec.argv[0]);
  for (const auto& [name, text] : settings_.environment) {
    Result<std::string> value = Expand(text, values);
    if (!value) return value.status();
    spec.environment.emplace_back(name, *std::move(value));
  }
  if (!token.empty()) spec.environment.emplace_back(settings_.token_variable, token.Reveal());
  spec.working_directory = host_.Path(settings_.working_directory);
  spec.output_path = LogFile(id);
  if (!spec.output_path.empty()) {
    std::error_code error;
    std::filesystem::create_directories(host_.Path(settings_.log_directory), error);
    if (error) {
      return FailedPrecondition("log_directory '" + settings_.log_directory + "' cannot be made: " + error.message());
    }
  }
  spec.kill_after = settings_.kill_after;
  spec.on_line = [this, id](std::string_view line) { OnLine(id, line); };
  spec.on_exit = [this, id](const ChildExit& how) { OnExit(id, how); };
  return spec;
}

void LocalProcesses::OnLine(const std::string& id, std::string_view line) {
  Process* const process = Find(id);
  if (!process || process->is_ready) return;
  process->last_lines.push_back(Shortened(WithoutSecret(line, process->token)));
  if (process->last_lines.size() > kKeptLines) process->last_lines.pop_front();
  if (process->endpoint) return;
  const std::optional<std::string> address = FindAddress(line, settings_.ready_line);
  if (!address) return;
  process->endpoint = LocalEndpoint(*address, id, process->token);
  process->phase("waiting until the server answers");
  Probe(id);
}

void LocalProcesses::Probe(const std::string& id) {
  const Process* const process = Find(id);
  if (!process || !process->endpoint || !process->stopped.empty()) return;
  host_.Probe(*process->endpoint, kProbeTimeout, [this, id](const Status& status) { OnProbed(id, status); });
}

void LocalProcesses::OnProbed(const std::string& id, const Status& status) {
  Process* const process = Find(id);
  if (!process || !process->stopped.empty()) return;
  if (!status.ok()) {
    process->next_probe = host_.StartTimer(kProbePause, [this, id] { Probe(id); });
    return;
  }
  process->is_ready = true;
  process->last_lines.clear();
  Server server{.id = id, .endpoint = *process->endpoint, .facts = {}};
  server.facts.emplace_back("pid", std::to_string(process->child.pid()));
  if (const std::string log = LogFile(id); !log.empty()) server.facts.emplace_back("log", log);
  process->started(std::move(server));
}

void LocalProcesses::OnExit(const std::string& id, const ChildExit& how) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  const Process process = std::move(found->second);
  processes_.erase(found);
  const std::string why = Explain(how);
  if (!process.is_ready) {
    std::string text =
        "The server's command '" + settings_.command[0] + "' " + (how.signal == SIGKILL ? "was " : "") + why + ".";
    if (!process.last_lines.empty()) text += " Its last lines:";
    for (const std::string& line : process.last_lines) text += "\n" + line;
    process.started(FailedPrecondition(std::move(text)));
  } else if (process.stopped.empty()) {
    ReportGone(id, why);
  }
  for (const auto& done : process.stopped) done(Status());
}

void LocalProcesses::Stop(const Server& server, Completion<Status> done) {
  Process* const process = Find(server.id);
  if (!process) return done(Status());
  process->stopped.push_back(std::move(done));
  process->child.End();
}

void LocalProcesses::List(Completion<Result<std::vector<Server>>> done) { done(std::vector<Server>()); }

LocalProcesses::Process* LocalProcesses::Find(const std::string& id) {
  const auto found = processes_.find(id);
  return found == processes_.end() ? nullptr : &found->second;
}

std::string LocalProcesses::LogFile(const std::string& id) const {
  return settings_.log_directory.empty() ? std::string() : host_.Path(settings_.log_directory) + "/" + id + ".log";
}

}  // namespace sgw::plugins
