// LocalProcesses launches Spark Connect servers as child processes of the gateway.
#pragma once

#include <sgw/plugin.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sgw::plugins {

struct LocalProcessesSettings {
  std::vector<std::string> command{};
  std::string ready_line = "Spark Connect server started at: {address}";
  std::string token_variable = "SPARK_CONNECT_AUTHENTICATE_TOKEN";
  Table<std::string> environment{};
  std::string working_directory{};
  std::string log_directory{};
  Duration kill_after = 10s;

  static constexpr auto kSchema = Settings(
      Setting("command", &LocalProcessesSettings::command,
              "Program and arguments; a relative program with a slash starts at the configuration's directory.",
              kRequired),
      Setting("ready_line", &LocalProcessesSettings::ready_line,
              "The line of output that names the server's address; not looked for when the command has {port}."),
      Setting("environment", &LocalProcessesSettings::environment, "Added to the gateway's environment."),
      Setting("token_variable", &LocalProcessesSettings::token_variable,
              "The variable that gives each server a token of its own, without which it refuses callers; empty: none."),
      Setting("working_directory", &LocalProcessesSettings::working_directory, "Where the command runs."),
      Setting("log_directory", &LocalProcessesSettings::log_directory,
              "Gets a file of output for each server, named by its id."),
      Setting("kill_after", &LocalProcessesSettings::kill_after,
              "A server that was asked to end (SIGTERM) is killed after this."));

  Status Validate() const;
};

// A server is ready when its address is known and it answers gRPC. Its output is kept for the one who reads why it was
// not: the last ten lines. No server outlives the gateway, so there is never one to adopt, and its token is written
// nowhere.
//
// Lives on the control thread.
class LocalProcesses : public Launcher {
 public:
  LocalProcesses(LocalProcessesSettings settings, Host& host);

  void Start(const Route& route, std::string id, PhaseReport phase, Completion<Result<Server>> done) override;
  void Stop(const Server& server, Completion<Status> done) override;
  void List(Completion<Result<std::vector<Server>>> done) override;

 private:
  struct Process {
    PhaseReport phase{};
    Completion<Result<Server>> started{};
    bool is_ready = false;
    Secret token{};
    std::optional<Endpoint> endpoint{};
    std::deque<std::string> last_lines{};
    std::vector<Completion<Status>> stopped{};  // who waits for its end
    Timer next_probe{};
    Child child{};
  };

  // Whether what the settings name is there; makes nothing.
  Status CheckFiles() const;
  // A free port that none of our servers was given, who may not listen yet; nothing when there is none.
  std::string PickPort() const;
  Result<ChildSpec> MakeSpec(const Route& route, const std::string& id, const std::string& port, const Secret& token);
  void OnLine(const std::string& id, std::string_view line);
  void OnExit(const std::string& id, const ChildExit& how);
  void Probe(const std::string& id);
  void OnProbed(const std::string& id, const Status& status);
  Process* Find(const std::string& id);
  std::string LogFile(const std::string& id) const;

  const LocalProcessesSettings settings_;
  const bool picks_port_;  // The command has {port}.
  Host& host_;
  std::map<std::string, Process> processes_;
};

}  // namespace sgw::plugins
