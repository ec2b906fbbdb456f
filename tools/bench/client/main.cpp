// bench-client: the load that h2load cannot make. Prints one JSON object with what it saw.
//
//     bench-client calls PORT PATH [--tls] [--body FILE] [--each] [--repeat N] [--connections N] [--in-flight N]
//                  [--calls N] [--header NAME:VALUE]...
//         Calls until N are done. A call's request is FILE, N times; with --each it is the next of FILE's gRPC
//         messages.
//     bench-client handshakes PORT [--tls] [--calls N] [--in-flight N]
//         Connects until SETTINGS have arrived, then closes.
//     bench-client idle PORT PATH [--tls] [--connections N] [--in-flight N]
//         Opens connections with so many calls each, which never say anything; prints when all are there, and holds
//         them until its standard input ends.
#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include "tools/bench/client/poller.h"

namespace sgw::bench {

namespace {

struct Options {
  Target target;
  Request request;
  std::string body;
  bool is_each = false;
  std::uint64_t repeat = 1;
  std::size_t connections = 1;
  std::size_t in_flight = 1;
  std::size_t calls = 1;
};

Options Parse(int count, char** arguments) {
  Options options;
  options.target.port = std::atoi(arguments[2]);
  int at = 3;
  if (at < count && arguments[at][0] == '/') options.request.path = arguments[at++];
  const auto next = [&] {
    if (++at >= count) throw std::invalid_argument("an option without its value");
    return std::string(arguments[at]);
  };
  for (; at < count; ++at) {
    const std::string name = arguments[at];
    if (name == "--tls") {
      options.target.tls = MakeTls();
    } else if (name == "--each") {
      options.is_each = true;
    } else if (name == "--body") {
      std::ifstream file(next(), std::ios::binary);
      options.body.assign(std::istreambuf_iterator<char>(file), {});
      if (options.body.empty()) throw std::invalid_argument("no body in the file");
    } else if (name == "--repeat") {
      options.repeat = std::stoull(next());
    } else if (name == "--connections") {
      options.connections = std::stoull(next());
    } else if (name == "--in-flight") {
      options.in_flight = std::stoull(next());
    } else if (name == "--calls") {
      options.calls = std::stoull(next());
    } else if (name == "--header") {
      const std::string header = next();
      const auto colon = header.find(':');
      if (colon == std::string::npos) throw std::invalid_argument("--header takes NAME:VALUE");
      options.request.headers.emplace_back(header.substr(0, colon), header.substr(colon + 1));
    } else {
      throw std::invalid_argument("no option " + name);
    }
  }
  return options;
}

// The gRPC messages that stand in `text`, one after another.
std::vector<std::string_view> Messages(std::string_view text) {
  constexpr std::size_t kPrefix = 5;
  std::vector<std::string_view> messages;
  while (text.size() >= kPrefix) {
    std::uint32_t size = 0;
    std::memcpy(&size, text.data() + 1, sizeof(size));
    messages.push_back(text.substr(0, kPrefix + ntohl(size)));
    text.remove_prefix(messages.back().size());
  }
  return messages;
}

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

void Print(std::size_t failed, std::uint64_t received, std::uint64_t sent, Clock::duration elapsed,
           std::vector<Clock::duration>& latencies) {
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double share) {
    return latencies.empty() ? 0.0 : 1e6 * Seconds(latencies[std::size_t(share * double(latencies.size() - 1))]);
  };
  std::printf(
      "{\"calls\": %zu, \"failed\": %zu, \"received\": %llu, \"sent\": %llu, \"seconds\": %.6f, "
      "\"p50_us\": %.2f, \"p99_us\": %.2f}\n",
      latencies.size(), failed, static_cast<unsigned long long>(received), static_cast<unsigned long long>(sent),
      Seconds(elapsed), at(0.50), at(0.99));
}

int Calls(const Options& options) {
  const auto bodies = options.is_each ? Messages(options.body) : std::vector<std::string_view>{options.body};
  Poller poller;
  const auto connections = poller.OpenReady(options.target, options.connections);
  std::size_t started = 0, failed = 0;
  std::uint64_t received = 0;
  std::vector<Clock::duration> latencies;
  latencies.reserve(options.calls);
  const auto start = Clock::now();
  const std::function<void(Connection&)> call = [&](Connection& connection) {
    if (started == options.calls) return;
    const auto body = bodies[started++ % bodies.size()];
    connection.Start(options.request, body, options.repeat, [&](const Outcome& outcome) {
      latencies.push_back(outcome.elapsed);
      received += outcome.bytes_received;
      if (!outcome.is_ok) ++failed;
      if (!connection.is_closed()) call(connection);
    });
  };
  for (std::size_t i = 0; i < options.in_flight; ++i) {
    for (Connection* connection : connections) call(*connection);
  }
  for (Connection* connection : connections) poller.Serve(*connection);
  while (latencies.size() < started) poller.Turn();
  std::uint64_t sent = 0;
  for (const Connection* connection : connections) sent += connection->bytes_sent();
  Print(failed + (options.calls - started), received, sent, Clock::now() - start, latencies);
  return 0;
}

int Handshakes(const Options& options) {
  Poller poller;
  std::vector<std::pair<Connection*, Clock::time_point>> open;
  std::vector<Clock::duration> latencies;
  std::size_t failed = 0, started = 0;
  const auto start = Clock::now();
  while (latencies.size() + failed < options.calls) {
    while (open.size() < options.in_flight && started < options.calls) {
      const auto begin = Clock::now();
      open.emplace_back(&poller.Open(options.target), begin);
      ++started;
    }
    poller.Turn();
    std::erase_if(open, [&](const auto& one) {
      if (!one.first->is_ready() && !one.first->is_closed()) return false;
      one.first->is_ready() ? latencies.push_back(Clock::now() - one.second) : void(++failed);
      poller.Remove(*one.first);
      return true;
    });
  }
  Print(failed, 0, 0, Clock::now() - start, latencies);
  return 0;
}

int Idle(const Options& options) {
  Poller poller;
  const auto connections = poller.OpenReady(options.target, options.connections);
  std::size_t ended = 0;
  if (!options.request.path.empty()) {
    for (Connection* connection : connections) {
      for (std::size_t i = 0; i < options.in_flight; ++i) {
        connection->Start(options.request, {}, 1, [&](const Outcome&) { ++ended; });
      }
      poller.Serve(*connection);
    }
  }
  poller.Add(0);
  std::printf("{\"open\": %zu}\n", connections.size() * std::max<std::size_t>(options.in_flight, 1));
  std::fflush(stdout);
  while (!poller.Turn(0)) continue;
  std::printf("{\"ended\": %zu}\n", ended);
  return 0;
}

}  // namespace

}  // namespace sgw::bench

int main(int count, char** arguments) {
  using namespace sgw::bench;
  try {
    const std::string command = count > 2 ? arguments[1] : "";
    if (command == "calls") return Calls(Parse(count, arguments));
    if (command == "handshakes") return Handshakes(Parse(count, arguments));
    if (command == "idle") return Idle(Parse(count, arguments));
    throw std::invalid_argument("calls, handshakes or idle, then a port");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-client: %s\n", error.what());
    return 1;
  }
}
