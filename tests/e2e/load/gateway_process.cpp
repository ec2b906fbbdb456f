#include "tests/e2e/load/gateway_process.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <grpc/grpc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sgw::core::testing {
namespace {

using namespace std::chrono_literals;

// The end of grpc's library can take ten seconds: it is to have none after each test's server.
const bool keeps_grpc = (grpc_init(), true);

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The value behind `"key":"` in the ports file.
std::string After(const std::string& text, const std::string& key) {
  const auto at = text.find("\"" + key + "\":\"");
  REQUIRE(at != std::string::npos);
  const auto begin = at + key.size() + 4;
  return text.substr(begin, text.find('"', begin) - begin);
}

}  // namespace

bool Comes(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

GatewayProcess::GatewayProcess(const std::string& driver, const std::string& more, const std::string& routing) {
  std::ofstream(folder_.path() + "/gateway.yaml")
      << R"({"listeners": [{"address": "127.0.0.1:0"}], "workers": 1, "plugins": {
"who": {"use": "auth_anonymous", "default_subject": "somebody"},
"tenants": {"use": "router_headers", "namespace": "{team}-{environment}", "default_team": "ready", "default_environment": "x")"
      << (routing.empty() ? "" : ", ") << routing << R"(},
"drivers": {"use": "discovery_static", "namespaces": {"ready-x": [")"
      << driver << R"("]}, "servers": {")" << driver << R"(": {"token": ")" << kDriverSecret << R"("}}},
"pool": {"use": "hot_pool_process", "size": 0, "command": [")"
      << SCRIPTED_SERVER << R"(", "--start-delay", "60000"], "ready_line": "scripted server started at: {address}"},
"meters": {"use": "metrics_prometheus"},
"trail": {"use": "audit_jsonl", "path": "audit.jsonl", "calls": true}},
"pipeline": [{"auth": "who"}, {"router": "tenants"}, {"discovery": "drivers"},
{"hot-pool": "pool", "create": true}, {"metrics": "meters"}, {"audit": "trail"}],
"admin": {"address": "unix:)"
      << folder_.path() << R"(/admin.sock", "http": "127.0.0.1:0"})" << (more.empty() ? "" : ", ") << more << "}\n";
  const std::string ports = folder_.path() + "/ports.json";
  pid_ = fork();
  if (pid_ == 0) {
    const std::string log = folder_.path() + "/log";
    if (std::freopen(log.c_str(), "w", stderr) == nullptr) _exit(127);
    execl(SGW_BINARY, SGW_BINARY, "serve", "--config", (folder_.path() + "/gateway.yaml").c_str(), "--ports-file",
          ports.c_str(), nullptr);
    _exit(127);
  }
  const bool is_serving = Comes([&] { return std::filesystem::exists(ports); });
  INFO(ReadAll(folder_.path() + "/log"));
  REQUIRE(is_serving);
  const std::string text = ReadAll(ports);
  address = After(text, "address");
  http_ = After(text, "http");
}

GatewayProcess::~GatewayProcess() {
  std::string said;
  if (pid_ > 0) {
    said = Get("/metrics").second;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (const char* const file : {"/log", "/audit.jsonl"}) said += ReadAll(folder_.path() + file);
  for (const std::string_view secret : {kClientSecret, kDriverSecret}) CHECK(said.find(secret) == std::string::npos);
  const bool is_clean =
      said.find("Sanitizer:") == std::string::npos && said.find("runtime error:") == std::string::npos;
  CHECK_MESSAGE(is_clean, said);
}

void GatewayProcess::Signal(int signal) { kill(pid_, signal); }

int GatewayProcess::WaitForExit() {
  int status = 0;
  REQUIRE(Comes([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }));
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::pair<int, std::string> GatewayProcess::Get(const std::string& path) const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  const timeval patience{30, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(static_cast<std::uint16_t>(std::stoi(http_.substr(http_.rfind(':') + 1))));
  std::string page;
  if (connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    char buffer[16384];
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      for (ssize_t size = 0; (size = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
        page.append(buffer, static_cast<std::size_t>(size));
      }
    }
  }
  close(fd);
  const auto body = page.find("\r\n\r\n");
  if (body == std::string::npos) return {0, ""};
  return {std::stoi(page.substr(9, 3)), page.substr(body + 4)};
}

double GatewayProcess::Metric(const std::string& name) const {
  std::istringstream page(Get("/metrics").second);
  for (std::string line; std::getline(page, line);) {
    if (line.rfind(name + " ", 0) == 0) return std::stod(line.substr(name.size() + 1));
  }
  FAIL("no metric " << name);
  return 0;
}

int GatewayProcess::Recorded(const std::string& event) const {
  std::ifstream file(folder_.path() + "/audit.jsonl");
  int count = 0;
  for (std::string line; std::getline(file, line);)
    count += line.find("\"event\":\"" + event + "\"") != std::string::npos;
  return count;
}

long GatewayProcess::Memory(const std::string& name) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stol(line.substr(name.size() + 1));
  }
  return 0;
}

std::shared_ptr<ClientConnection> Clients::Connect(const std::string& address, ConnectionOptions options) {
  std::promise<Status> ready;
  std::shared_ptr<ClientConnection> made;
  On([&] {
    made = ClientConnection::Connect(
        workers_[0],
        {options, address, std::chrono::seconds(10), [&](const Status& status) { ready.set_value(status); }, {}, {}});
  });
  REQUIRE(ready.get_future().get().ok());
  return made;
}

void Clients::Call(ClientConnection& connection, Recorder& call, std::string path, const std::string& message,
                   std::vector<HeaderField> more) {
  if (path.front() != '/') path = "/spark.connect.SparkConnectService/" + path;
  const auto size = static_cast<std::uint32_t>(message.size());
  const std::string prefix{0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                           static_cast<char>(size >> 8), static_cast<char>(size)};
  On([&] {
    HeaderBlock head{{":method", "POST"},  {":scheme", "http"}, {":path", path},
                     {":authority", "gw"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
    head.Add("authorization", "Bearer " + std::string(kClientSecret));
    for (const auto& field : more) head.Add(field.name, field.value);
    call.stream = connection.Open(head, false, call);
    REQUIRE(call.stream);
    call.stream->SendData(Piece::Copy(prefix + message));
    call.stream->SendEnd();
  });
}

void Clients::On(const std::function<void()>& function) { RunOn(workers_[0], function); }

std::chrono::milliseconds Clients::Ask(ClientConnection& connection, const std::string& path,
                                       const std::string& message, std::vector<HeaderField> more) {
  Recorder call;
  const auto began = std::chrono::steady_clock::now();
  Call(connection, call, path, message, std::move(more));
  CHECK(CodeOf(call) == "0");
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
}

std::string SparkRequest(const std::string& user, int session) {
  const auto field = [](int number, const std::string& value) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(value.size())} + value;
  };
  char id[37];
  std::snprintf(id, sizeof(id), "00112233-4455-6677-8899-%012x", static_cast<unsigned>(session));
  return field(1, id) + field(2, field(1, user));
}

std::string CodeOf(Recorder& call) {
  REQUIRE(call.WaitFor([&] { return call.is_closed; }));
  return std::string((call.trailers.Find("grpc-status") ? call.trailers : call.headers).Get("grpc-status"));
}

}  // namespace sgw::core::testing
