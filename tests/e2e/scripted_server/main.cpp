// scripted-spark-server: a scripted server as a process, for what starts servers and reads their ready line.
//
//   --port N            0 (default): a free one
//   --print LINE        before anything else; may be repeated
//   --start-delay MS    before it listens
//   --fail TEXT         says so on stderr and exits with 1 instead of listening
//   --tls CERT KEY [CA] speaks TLS; with the authority, to those who have a certificate of it. PEM files; last option
//   --ignore-term       goes on after SIGTERM
//   --tell              prints a line of JSON when a call begins and when it ends, see stage.h
//   --script PAIRS      what is done where a caller says nothing else, see script.h
//
// Prints `scripted server started at: 127.0.0.1:PORT` when it listens. SIGTERM and SIGINT end it with 0.
#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/scripted_server/scripted_server.h"

namespace {

std::string Content(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) throw std::invalid_argument("cannot read " + path);
  return text.str();
}

std::shared_ptr<grpc::ServerCredentials> TlsOf(const std::vector<std::string>& files) {
  if (files.size() < 2 || files.size() > 3) throw std::invalid_argument("--tls CERT KEY [CA]");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({Content(files[1]), Content(files[0])});
  if (files.size() == 3) {
    options.pem_root_certs = Content(files[2]);
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

int Run(int argc, char** argv) {
  sgw::testing::ScriptedServer::Options options;
  std::chrono::milliseconds start_delay{};
  std::string failure;
  bool ignores_term = false;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--ignore-term") {
      ignores_term = true;
      continue;
    }
    if (name == "--tell") {
      options.tell = [](const std::string& line) {
        std::puts(line.c_str());
        std::fflush(stdout);
      };
      continue;
    }
    if (i + 1 == argc) throw std::invalid_argument("'" + name + "' is no option, or needs a value");
    if (name == "--tls") {
      options.credentials = TlsOf(std::vector<std::string>(argv + i + 1, argv + argc));
      break;
    }
    const std::string value = argv[++i];
    if (name == "--port")
      options.port = std::stoi(value);
    else if (name == "--print")
      std::puts(value.c_str());
    else if (name == "--start-delay")
      start_delay = std::chrono::milliseconds(std::stoi(value));
    else if (name == "--fail")
      failure = value;
    else if (name == "--script")
      sgw::testing::ReadScript(value, options.script);
    else
      throw std::invalid_argument("no option '" + name + "'");
  }
  std::fflush(stdout);

  // Blocked before the first thread exists, so that only sigwait() below gets them. A delayed start can still be ended.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const timespec pause{start_delay.count() / 1000, start_delay.count() % 1000 * 1'000'000};
  if (start_delay.count() > 0 && sigtimedwait(&signals, nullptr, &pause) > 0) return 0;
  if (!failure.empty()) throw std::runtime_error(failure);

  sgw::testing::ScriptedServer server(options);
  std::printf("scripted server started at: %s\n", server.address().c_str());
  std::fflush(stdout);
  int signal = 0;
  do sigwait(&signals, &signal);
  while (ignores_term && signal == SIGTERM);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scripted-spark-server: %s\n", error.what());
    return 1;
  }
}
