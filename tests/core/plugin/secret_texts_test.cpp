#include "core/plugin/secret_texts.h"

#include <sgw/json.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "core/plugin/host.h"
#include "tests/core/plugin/plugin_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

TEST_CASE("secrets are hidden wherever they stand, the longest first") {
  SecretTexts secrets;
  CHECK(secrets.Hide("hunter2") == "hunter2");
  secrets.Add("hunter2");
  secrets.Add("hunter2-long");
  secrets.Add("secret");
  secrets.Add("abc");
  CHECK(secrets.Hide("hunter2hunter2-long, hunter3: secret abc") == "<secret><secret>, hunter3: <secret> abc");
  CHECK(secrets.Hide("") == "");
}

TEST_CASE("a secret that was cut is hidden where nobody can guess at it") {
  SecretTexts secrets;
  secrets.Add("hunter2");
  const auto with_cut = [&](const char* text) { return secrets.Hide(text, SecretTexts::Which::kAlsoCut); };
  CHECK(with_cut("a hunt... c hun... hunter2") == "a <secret>... c hun... <secret>");
  CHECK(with_cut("the hunt is on a hunte\nhunte") == "the hunt is on a hunte\nhunte");
  CHECK(secrets.Hide("a hunt... hunter2") == "a hunt... <secret>");
}

TEST_CASE("each line of a secret is one, and blanks are none") {
  SecretTexts secrets;
  secrets.Add("-----BEGIN-----\r\n    QUJD\n     \n}\n");
  CHECK(secrets.Hide("-----BEGIN-----     QUJD }") == "<secret>     <secret> }");
}

TEST_CASE("a secret that has changed twice is hidden no more") {
  SecretTexts secrets;
  secrets.Add("hunter2");
  secrets.Add("hunter2");
  secrets.Remove("hunter2");
  CHECK(secrets.Hide("hunter2") == "<secret>");
  secrets.Remove("hunter2");
  CHECK(secrets.Hide("hunter2") == "hunter2");
  CHECK_FALSE(secrets.has_any());
}

TEST_CASE("a JSON text stays one") {
  SecretTexts secrets;
  secrets.Add("1234");
  secrets.Add(R"("quoted\)");
  secrets.Add("true");
  const std::string shown = secrets.HideInJson(R"({"a": 1234, "is 1234": true, "b": "x \"quoted\\ y", "c": "\\"})");
  CHECK(shown == R"({"a": 1234, "is <secret>": true, "b": "x <secret> y", "c": "\\"})");
  CHECK(Json::Parse(shown));
  CHECK(secrets.HideInJson(R"({"cut": "12)") == R"({"cut": "12)");
}

namespace {

// A plugin whose settings have a secret, which it tells to everybody.
struct Indiscreet {
  explicit Indiscreet(const std::string& kind = "hot-pool") {
    rig.settings = SettingsOf({{"hook", std::to_string(reinterpret_cast<std::uintptr_t>(&rig.hook))}});
    rig.settings.map.front().value.secrets = {"hunter2"};
    rig.ServeKind(kind);
  }
  const sgw_host_table& table() { return *rig.hook.table; }
  sgw_host* host() { return rig.hook.host; }

  PluginRig rig;
};

}  // namespace

TEST_CASE("what a plugin says has no secret in it: log lines, statuses, phases, reasons, labels, descriptions") {
  Indiscreet it;
  std::ostringstream log;
  const auto logger = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
  it.table().log(it.host(), SGW_LOG_ERROR, Raw("it is hunter2"));
  std::string lost;
  it.rig.services.on_lease_lost = [&](const std::string&, const std::string&, const std::string& why) { lost = why; };
  it.table().lease_lost(it.host(), Raw("s-1"), Raw("hunter2 is gone"));
  CHECK(lost == "<secret> is gone");

  it.rig.hook.ask = [&](sgw_ask ask) {
    it.table().report_phase(it.host(), ask, Raw("with hunter2"));
    const sgw_status why{sizeof(why), 9, Raw("not with hunter2"), 1500};
    const sgw_pool_answer answer{sizeof(answer), SGW_ANSWER_STATUS, nullptr, &why};
    it.table().answer_pool(it.host(), ask, &answer);
    return SGW_ANSWERED;
  };
  std::string phase;
  Status refused;
  CallFacts call;
  const Identity identity;
  const Route route;
  it.rig.On([&] {
    Instance::PoolRequest request{call,  identity, route,
                                  "key", true,     [&](std::string text) { phase = std::move(text); }};
    it.rig.instance().Acquire(request, [&](PluginAnswer answer) { refused = std::get<Status>(answer); });
  });
  it.rig.Settle();
  CHECK(phase == "with <secret>");
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(refused.message() == "not with <secret>");
  CHECK(refused.retry_delay() == 1500ms);

  it.rig.hook.ask = [](sgw_ask) -> std::int32_t { throw std::runtime_error("hunter2!"); };
  it.rig.On([&] {
    Instance::PoolRequest request{call, identity, route, "key", true, {}};
    it.rig.instance().Acquire(request, [&](PluginAnswer answer) { refused = std::get<Status>(answer); });
  });
  it.rig.hook.tell = [] { return std::string(R"({"last_error": "hunter2"})"); };
  CHECK(it.rig.instance().Describe() == R"({"last_error": "<secret>"})");

  const sgw_pair label{Raw("where"), Raw("at hunter2")};
  it.table().metric_add(
      it.table().metric(it.host(), SGW_METRIC_COUNTER, Raw("it_total"), Raw("Of hunter2."), {&label, 1}, nullptr, 0),
      1);
  CHECK(Counted(it.rig.metrics, "it_total", {"it", "at <secret>"}) == 1);

  spdlog::set_default_logger(logger);
  CHECK(log.str().find("it is <secret>") != std::string::npos);
  CHECK(log.str().find("<secret>!") != std::string::npos);
  CHECK(log.str().find("hunter2") == std::string::npos);
}
