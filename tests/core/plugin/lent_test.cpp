#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <condition_variable>
#include <fstream>
#include <limits>
#include <sstream>

#include "core/plugin/host.h"
#include "tests/core/http2/pair.h"
#include "tests/core/http2/tls_client.h"
#include "tests/core/plugin/plugin_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

// A callback that counts, on whichever thread.
struct Counting {
  std::atomic<int> calls{0};
  std::atomic<int> drops{0};
  std::function<void(const void*)> on_call = [](const void*) {};

  sgw_callback raw() {
    return {[](void* self, const void* argument) {
              auto& it = *static_cast<Counting*>(self);
              it.on_call(argument);
              ++it.calls;
            },
            [](void* self) { ++static_cast<Counting*>(self)->drops; }, this};
  }
};

struct Lent {
  Lent() {
    REQUIRE(rig.Serve().ok());
    host = rig.hook.host;
  }
  const sgw_host_table& table() { return *rig.hook.table; }

  Counting counting;  // outlives the instance
  PluginRig rig;
  sgw_host* host = nullptr;
};

class StillClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(7ns); }
  WallTime Wall() const override { return WallTime(std::chrono::hours(24)); }
};

// A server on loopback that sends the same bytes to the first one that connects.
class Greeter {
 public:
  explicit Greeter(std::string greeting) : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0);
    REQUIRE(listen(listener_, 1) == 0);
    socklen_t size = sizeof(name);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
    address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    thread_ = std::thread([this, greeting = std::move(greeting)] {
      const int peer = accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      static_cast<void>(!write(peer, greeting.data(), greeting.size()));
      char byte;
      while (read(peer, &byte, 1) > 0) {
      }
      close(peer);
    });
  }
  ~Greeter() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string address;

 private:
  int listener_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a plugin's log lines carry its name, one line each, bounded") {
  Lent l;
  std::ostringstream out;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(out)));
  spdlog::set_pattern("%l %v");
  l.table().log(l.host, SGW_LOG_WARNING, Raw("two\nlines\x1b[31m"));
  l.table().log(l.host, 99, Raw("loud"));
  l.table().log(l.host, SGW_LOG_DEBUG, Raw("unheard"));
  l.table().log(l.host, SGW_LOG_INFO, Raw(std::string(100'000, 'x')));
  spdlog::set_default_logger(before);
  CHECK(out.str() == "warning it: two lines [31m\nerror it: loud\ninfo it: " + std::string(16 * 1024, 'x') + "\n");
}

TEST_CASE("a plugin reads the gateway's clocks") {
  const StillClock still;
  Lent l;
  l.rig.services.clock = &still;
  CHECK(l.table().monotonic_ns(l.host) == 7);
  CHECK(l.table().wall_ns(l.host) == 86'400'000'000'000U);
}

TEST_CASE("a timer runs once, on the control thread, and is dropped after that") {
  Lent l;
  l.counting.on_call = [&](const void* argument) {
    CHECK(argument == nullptr);
    CHECK(l.rig.control.IsCurrent());
  };
  SUBCASE("started elsewhere") { CHECK(l.table().timer_start(l.host, 1, l.counting.raw()) != 0); }
  SUBCASE("started on the control thread") {
    l.rig.On([&] { l.table().timer_start(l.host, 0, l.counting.raw()); });
  }
  SUBCASE("due in the past") {
    l.table().timer_start(l.host, std::numeric_limits<std::int64_t>::min(), l.counting.raw());
  }
  CHECK(Eventually([&] { return l.counting.drops == 1; }));
  CHECK(l.counting.calls == 1);
}

TEST_CASE("a timer that is cancelled never runs, and is dropped at once") {
  Lent l;
  // Longer than a clock can count: it does not run at once.
  const sgw_id id = l.table().timer_start(l.host, std::numeric_limits<std::int64_t>::max(), l.counting.raw());
  l.rig.Settle();
  l.table().timer_cancel(l.host, id + 1);
  CHECK(l.counting.drops == 0);
  l.table().timer_cancel(l.host, id);
  CHECK(l.counting.drops == 1);
  l.table().timer_cancel(l.host, id);
  l.rig.Settle();
  CHECK(l.counting.drops == 1);
  CHECK(l.counting.calls == 0);
}

TEST_CASE("cancelling returns after a callback that runs already, unless it is that callback that cancels") {
  Lent l;
  std::promise<void> is_running;
  std::promise<void> go_on;
  std::atomic<bool> has_returned = false;
  sgw_id id = 0;
  SUBCASE("from elsewhere") {
    l.counting.on_call = [&](const void*) {
      is_running.set_value();
      go_on.get_future().wait();
      has_returned = true;
    };
    id = l.table().timer_start(l.host, 0, l.counting.raw());
    is_running.get_future().wait();
    std::thread elsewhere([&] {
      l.table().timer_cancel(l.host, id);
      CHECK(has_returned);
    });
    go_on.set_value();
    elsewhere.join();
  }
  SUBCASE("from itself") {
    l.counting.on_call = [&](const void*) { l.table().timer_cancel(l.host, id); };
    l.rig.On([&] { id = l.table().timer_start(l.host, 0, l.counting.raw()); });
  }
  CHECK(Eventually([&] { return l.counting.drops == 1; }));
  CHECK(l.counting.calls == 1);
}

TEST_CASE("what an instance has borrowed goes with it: nothing is called afterwards, and everything is dropped") {
  Lent l;
  const std::string path = l.rig.folder.Write("watched", "");
  l.table().timer_start(l.host, 60'000, l.counting.raw());
  l.table().file_watch(l.host, Raw(path), l.counting.raw());
  l.rig.hook.destroy = [&] { l.table().timer_start(l.host, 60'000, l.counting.raw()); };  // even a last one
  l.rig.generation.reset();
  CHECK(l.counting.drops == 3);
  CHECK(l.counting.calls == 0);
}

TEST_CASE("what a callback throws is counted, and the control thread goes on") {
  Lent l;
  l.counting.on_call = [](const void*) { throw std::runtime_error("boom"); };
  l.table().timer_start(l.host, 0, l.counting.raw());
  l.table().run_blocking(l.host, l.counting.raw());
  CHECK(Eventually([&] { return l.counting.drops == 2; }));
  l.rig.Settle();
  CHECK(l.rig.Misuse("threw") == 2);
}

TEST_CASE("a plugin's time series carry its name") {
  Lent l;
  const sgw_pair label{Raw("pool"), Raw("warm")};
  sgw_series* const counter = l.table().metric(l.host, SGW_METRIC_COUNTER, Raw("spark_gateway_it_total"), Raw("Help."),
                                               {&label, 1}, nullptr, 0);
  REQUIRE(counter);
  l.table().metric_add(counter, 2);
  l.table().metric_add(counter, 1);
  CHECK(Counted(l.rig.metrics, "spark_gateway_it_total", {"it", "warm"}) == 3);
  const double bounds[] = {0.1, 1};
  CHECK(l.table().metric(l.host, SGW_METRIC_HISTOGRAM, Raw("spark_gateway_it_seconds"), {}, {}, bounds, 2));
}

TEST_CASE("a series that cannot be is none, and counting on it does nothing") {
  Lent l;
  const auto make = [&](std::uint32_t type, std::string_view name, std::vector<sgw_pair> labels = {},
                        std::vector<double> bounds = {}) {
    return l.table().metric(l.host, type, Raw(name), {}, {labels.data(), labels.size()}, bounds.data(), bounds.size());
  };
  REQUIRE(make(SGW_METRIC_COUNTER, "spark_gateway_it_total"));
  CHECK_FALSE(make(SGW_METRIC_GAUGE, "spark_gateway_it_total"));  // of another type
  CHECK_FALSE(make(SGW_METRIC_COUNTER, "no name"));
  CHECK_FALSE(make(SGW_METRIC_COUNTER, ""));
  CHECK_FALSE(make(99, "spark_gateway_other"));
  CHECK_FALSE(make(SGW_METRIC_COUNTER, "spark_gateway_other", {{Raw("plugin"), Raw("x")}}));  // the host's own
  CHECK_FALSE(make(SGW_METRIC_COUNTER, "spark_gateway_other", std::vector<sgw_pair>(33, {Raw("a"), Raw("b")})));
  CHECK_FALSE(make(SGW_METRIC_HISTOGRAM, "spark_gateway_other", {}, {1, 1}));
  CHECK_FALSE(make(SGW_METRIC_HISTOGRAM, "spark_gateway_other", {}, {1, std::nan("")}));
  CHECK_FALSE(make(SGW_METRIC_HISTOGRAM, "spark_gateway_other", {}, std::vector<double>(201, 1)));
  l.table().metric_add(nullptr, 1);
  l.table().metric_set(nullptr, 1);
  l.table().metric_observe(nullptr, 1);
}

TEST_CASE("past a thousand series of a family the last one counts for the others") {
  Lent l;
  for (int i = 0; i < 1'100; ++i) {
    const std::string value = std::to_string(i);
    const sgw_pair label{Raw("user"), Raw(value)};
    l.table().metric_add(
        l.table().metric(l.host, SGW_METRIC_COUNTER, Raw("spark_gateway_it_total"), {}, {&label, 1}, nullptr, 0), 1);
  }
  CHECK(Counted(l.rig.metrics, "spark_gateway_it_total", {"other", "other"}) >= 100);
}

TEST_CASE("blocking work runs beside the control thread; past the bound it is refused and dropped at once") {
  Lent l;
  std::promise<void> go_on;
  const auto gate = go_on.get_future().share();
  l.counting.on_call = [&](const void* argument) {
    CHECK(argument == nullptr);
    CHECK(Worker::Current() == nullptr);
    gate.wait();
  };
  int taken = 0;
  while (l.table().run_blocking(l.host, l.counting.raw()) != 0) ++taken;
  CHECK(l.counting.drops == 1);
  CHECK(taken >= 1'024);
  CHECK(taken <= 1'024 + 4 + 1);  // what is queued, and what the threads have taken meanwhile
  l.rig.Settle();                 // the control thread is free
  go_on.set_value();
  CHECK(Eventually([&] { return l.counting.drops == taken + 1; }));
  CHECK(l.counting.calls == taken);
}

TEST_CASE("a probe says whether an HTTP/2 server answers at an address") {
  Lent l;
  std::atomic<int> code = -1;
  std::string message;
  l.counting.on_call = [&](const void* argument) {
    CHECK(l.rig.control.IsCurrent());
    const auto& status = *static_cast<const sgw_status*>(argument);
    message = TextOf(status.message);
    code = status.code;
  };
  sgw_endpoint endpoint{};
  endpoint.size = sizeof(endpoint);
  const auto probe = [&](const std::string& address, std::int64_t timeout_ms) {
    endpoint.address = Raw(address);
    l.table().probe(l.host, &endpoint, timeout_ms, l.counting.raw());
    CHECK(Eventually([&] { return l.counting.drops == 1; }));
    CHECK(l.counting.calls == 1);
    return code.load();
  };
  SUBCASE("it does") {
    const Greeter greeter(std::string("\0\0\0\4\0\0\0\0\0", 9));
    CHECK(probe(greeter.address, std::numeric_limits<std::int64_t>::max()) == 0);
  }
  SUBCASE("another server") {
    const Greeter greeter("HTTP/1.1 400 Bad Request\r\n\r\n");
    CHECK(probe(greeter.address, 60'000) == static_cast<int>(StatusCode::kUnavailable));
  }
  SUBCASE("one that says nothing") {
    const Greeter greeter("");
    CHECK(probe(greeter.address, 300) == static_cast<int>(StatusCode::kUnavailable));
    CHECK(message.find("no HTTP/2 SETTINGS came") != std::string::npos);
  }
  SUBCASE("nobody listens") {
    std::string address;
    { address = Greeter("").address; }
    CHECK(probe(address, 60'000) == static_cast<int>(StatusCode::kUnavailable));
  }
  SUBCASE("one that is reached by TLS") {
    sgw::testing::Authority authority;
    TlsFolder own, ours;
    const Pair server([](Recorder&) {}, {}, {}, "127.0.0.1:0", SourceOf({own.With(authority.Issue())}));
    SUBCASE("and is trusted") {
      const auto context = TlsContext::ForDrivers(ours.Trusting(authority.certificate()));
      REQUIRE(context);
      l.rig.services.driver_tls = std::make_shared<TlsSource>(*context);
      CHECK(probe(server.address, 60'000) == 0);
    }
    SUBCASE("and nobody says whom to trust") {
      endpoint.tls = SGW_TLS_ON;
      CHECK(probe(server.address, 60'000) == static_cast<int>(StatusCode::kUnavailable));
      CHECK(message.find("do not trust each other") != std::string::npos);
    }
  }
  SUBCASE("no address") { CHECK(probe("", 60'000) == static_cast<int>(StatusCode::kUnavailable)); }
}

TEST_CASE("a plugin hears on the control thread that its file has changed, and not after it has stopped to listen") {
  Lent l;
  const std::string path = l.rig.folder.Write("watched", "one");
  l.counting.on_call = [&](const void*) { CHECK(l.rig.control.IsCurrent()); };
  const sgw_id id = l.table().file_watch(l.host, Raw(path), l.counting.raw());
  l.rig.folder.Write("watched", "two");
  CHECK(Eventually([&] { return l.counting.calls == 1; }));
  l.table().file_unwatch(l.host, id);
  CHECK(Eventually([&] { return l.counting.drops == 1; }));
}

TEST_CASE("what is more than a request or a child may have is refused, not cut") {
  Lent l;
  std::string said;
  const std::vector<sgw_pair> many(10'001, sgw_pair{Raw("a"), Raw("b")});
  SUBCASE("a request") {
    l.counting.on_call = [&](const void* argument) {
      const auto& response = *static_cast<const sgw_http_response*>(argument);
      CHECK(response.failure->code == static_cast<int>(StatusCode::kInvalidArgument));
      said = TextOf(response.failure->message);
    };
    const std::string body((1 << 20) + 1, 'x');
    sgw_http_request request{};
    request.size = sizeof(request);
    request.method = Raw("POST");
    request.url = Raw("http://127.0.0.1:1/");
    request.on_end = l.counting.raw();
    std::string wanted = "the body of an HTTP request has 1048577 bytes; the most is 1 MiB";
    SUBCASE("its body") { request.body = Raw(body); }
    SUBCASE("its headers") {
      request.headers = {many.data(), many.size()};
      wanted = "an HTTP request has 10001 headers; the most are 10000";
    }
    CHECK(l.table().http_send(l.host, &request) != 0);
    REQUIRE(Eventually([&] { return l.counting.calls == 1; }));
    CHECK(said == wanted);
  }
  SUBCASE("a child") {
    l.counting.on_call = [&](const void* argument) {
      said = TextOf(static_cast<const sgw_child_exit*>(argument)->error);
    };
    sgw_child_spec spec{};
    spec.size = sizeof(spec);
    spec.environment = {many.data(), many.size()};
    spec.on_exit = l.counting.raw();
    CHECK(l.table().child_start(l.host, &spec) != 0);
    REQUIRE(Eventually([&] { return l.counting.calls == 1; }));
    CHECK(said == "a child has at most 10000 arguments and variables");
  }
}

TEST_CASE("a snapshot of endpoints takes what an older or a newer plugin knows of them, and no nonsense") {
  Lent l;
  struct Wide {
    sgw_endpoint known;
    std::uint64_t later;
  };
  Wide wide[2]{};
  const char* addresses[] = {"a:1", "b:2"};
  for (int i = 0; i < 2; ++i) {
    wide[i].known.size = sizeof(Wide);
    wide[i].known.address = Raw(addresses[i]);
  }
  const auto made = [&](const sgw_endpoint* endpoints, std::uint64_t count) {
    sgw_snapshot* const snapshot = l.table().snapshot_make(l.host, endpoints, count);
    std::vector<std::string> found;
    for (const Endpoint& endpoint : *snapshot->endpoints) found.push_back(endpoint.address);
    l.table().snapshot_release(l.host, snapshot);
    return found;
  };
  CHECK(made(&wide[0].known, 2) == std::vector<std::string>{"a:1", "b:2"});
  CHECK(made(nullptr, 5).empty());
  for (const std::uint32_t nonsense : {0U, 8U, 13U + std::uint32_t{sizeof(sgw_endpoint)}}) {
    wide[0].known.size = nonsense;
    CHECK(made(&wide[0].known, ~std::uint64_t{0}).empty());
  }
}

TEST_CASE("a plugin knows which kinds of addresses its pipeline has") {
  Lent l;
  l.rig.services.exposure = SGW_EXPOSURE_LOOPBACK | SGW_EXPOSURE_REMOTE;
  CHECK(l.table().exposure(l.host) == (SGW_EXPOSURE_LOOPBACK | SGW_EXPOSURE_REMOTE));
}

TEST_CASE("what a plugin says of servers that have gone reaches who keeps sessions") {
  Lent l;
  l.table().lease_lost(l.host, Raw("lease-1"), {});  // nobody listens yet
  std::string heard;
  l.rig.services.on_lease_lost = [&](const std::string& instance, const std::string& lease, const std::string& why) {
    heard += instance + "/" + lease + "/" + why + ";";
  };
  l.rig.services.on_endpoint_gone = [&](const std::string& address, const std::string& incarnation,
                                        const std::string& why) { heard += address + "/" + incarnation + "/" + why; };
  l.table().lease_lost(l.host, Raw("lease-1"), Raw("killed\n"));
  l.table().endpoint_gone(l.host, Raw("a:1"), Raw("uid-1"), Raw("evicted"));
  CHECK(heard == "it/lease-1/killed ;a:1/uid-1/evicted");
}
