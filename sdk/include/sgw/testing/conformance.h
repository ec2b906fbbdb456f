// The conformance suite: what every plugin holds, and what every plugin of its kind holds.
//
// sgw_add_plugin() runs it over each built library. It is written for doctest.
#pragma once

#include <doctest/doctest.h>
#include <sgw/testing/conformance_kinds.h>
#include <sgw/testing/plugin_under_test.h>
#include <sgw/testing/read_tag.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace sgw::testing {

struct Conformance {
  std::string file{};           // the built library
  std::string settings = "{}";  // good ones, as the host gives them
  std::string configuration_directory{};
};

namespace detail {

// An instance with these settings, which must work.
class Subject {
 public:
  Subject(const Conformance& what, PluginSource source)
      : plugin(host, source, what.settings, what.configuration_directory) {
    REQUIRE_MESSAGE(plugin.created().ok(), "CONFORMANCE_SETTINGS are refused: ", plugin.created().message());
    if (PrepareForConformance) PrepareForConformance(host);
  }
  ~Subject() {
    plugin.Destroy();
    CHECK_MESSAGE(host.live_snapshots() == 0, "a snapshot outlives the instance");
    CHECK_MESSAGE(host.live_callbacks() == 0, "a timer, watch, probe or child outlives the instance");
    CHECK_MESSAGE(host.MetricSum("spark_gateway_plugin_exceptions_total") == 0, "the plugin has thrown, see its log");
    CHECK_MESSAGE(host.Logged(kCanary) == 0, "a secret of a caller stands in the log");
  }

  void Start() {
    const Status started = plugin.Start().Wait();
    REQUIRE_MESSAGE(started.ok(), "with CONFORMANCE_SETTINGS it does not start: ", started.message());
  }
  void CheckDescribe(std::string_view kind) {
    const std::string text = plugin.Describe();
    const Result<Json> json = Json::Parse(text);
    CHECK_MESSAGE(json.has_value(), "Describe() gives no JSON: ", text);
    CHECK(text.find(kCanary) == std::string::npos);
    if (!json) return;
    const std::string_view list = kind == "hot-pool" ? "/pools" : kind == "discovery" ? "/namespaces" : "";
    const Json* found = json->At(list);
    CHECK_MESSAGE((list.empty() || (found && found->kind() == Json::Kind::kArray)),
                  "Describe() lacks the list that operators are shown: ", list);
  }

  TestHost host;
  PluginUnderTest plugin;
};

inline Json CheckTag(const Conformance& what) {
  const Result<Json> tag = ReadTag(what.file);
  REQUIRE_MESSAGE(tag.has_value(), tag.status().message());
  CHECK(tag->String("/name") == std::filesystem::path(what.file).stem().string());
  CHECK(tag->Integer("/abi/0") == SGW_ABI_MAJOR);
  CHECK(!tag->String("/sdk").empty());
  for (const Json& setting : tag->At("/settings")->elements()) {
    CHECK_MESSAGE(!setting.String("/doc").empty(), "a setting without a word about it: ", setting.String("/name"));
    const bool is_required = setting.Bool("/required");
    CHECK_MESSAGE(!(is_required && setting.At("/default")), "required and with a default: ", setting.String("/name"));
  }
  return *tag;
}

inline void CheckVersions(PluginSource source) {
  const auto enter = [&](const sgw_host_table& table, std::string& said) {
    const sgw_failure failure = {&said, [](void* context, const sgw_status* status) {
                                   *static_cast<std::string*>(context) = sgw::detail::Text(status->message);
                                 }};
    return source.entry(&table, &failure);
  };
  TestHost host;
  std::string said;
  sgw_host_table table = host.table();
  table.abi_major = SGW_ABI_MAJOR + 1;
  CHECK_MESSAGE(enter(table, said) == nullptr, "it works with a host of another major version");
  CHECK_MESSAGE(!said.empty(), "it refuses a host of another major version without a word");

  table.abi_major = SGW_ABI_MAJOR;
  table.abi_minor = SGW_ABI_MINOR + 7;
  const sgw_plugin* plugin = enter(table, said);
  REQUIRE_MESSAGE(plugin != nullptr, "it refuses a newer host of its major version: ", said);
  CHECK(plugin->abi_major == SGW_ABI_MAJOR);
  const bool tables[] = {plugin->auth != nullptr,         plugin->router != nullptr, plugin->pool != nullptr,
                         plugin->discovery != nullptr,    plugin->audit != nullptr,  plugin->metrics != nullptr,
                         plugin->session_store != nullptr};
  CHECK(std::count(std::begin(tables), std::end(tables), true) == 1);
}

// Settings that nobody can mean are refused with a sentence.
inline void CheckBadSettings(const Conformance& what, PluginSource source, const Json& tag) {
  const auto refuses = [&](const std::string& settings, std::string_view word) {
    TestHost host;
    const PluginUnderTest plugin(host, source, settings, what.configuration_directory);
    CHECK_MESSAGE(!plugin.created().ok(), "these settings are taken: ", settings);
    CHECK_MESSAGE(plugin.created().message().find(word) != std::string::npos, "the refusal does not name ", word, ": ",
                  plugin.created().message());
  };
  refuses("{", "");
  refuses("[]", "");
  refuses(R"({"no_such_setting_anywhere": 1})", "");
  for (const Json& setting : tag.At("/settings")->elements()) {
    const std::string name = setting.String("/name");
    const std::string type = setting.String("/type");
    const bool is_map = type == "map" || type == "object";
    refuses("{\"" + JsonEscape(name) + "\": " + (is_map ? "[]" : "{}") + "}", "");
    if (setting.Bool("/required")) refuses("{}", "required");
  }
}

inline void CheckLife(const Conformance& what, PluginSource source, const std::string& kind) {
  {
    Subject made_and_destroyed(what, source);
    made_and_destroyed.CheckDescribe(kind);
  }
  Subject one(what, source);
  Subject other(what, source);
  one.Start();
  other.Start();
  one.CheckDescribe(kind);
  one.plugin.Destroy();
  other.CheckDescribe(kind);
  CHECK(other.plugin.Quiesce().Wait().ok());
  other.CheckDescribe(kind);
  CHECK(other.plugin.Stop().Wait().ok());
  other.CheckDescribe(kind);
  other.host.Advance(1h);
}

// Asks strange things, cancels them, stops: each question has exactly one answer, and none has a caller's secret.
inline void CheckQuestions(const Conformance& what, PluginSource source, const Json& tag) {
  Questions questions;
  Subject subject(what, source);
  subject.Start();
  const std::size_t strays = subject.host.stray_answers();
  questions.AskAll(subject.plugin, tag);
  questions.AskFromManyThreads(subject.plugin);
  subject.CheckDescribe(tag.String("/kind"));
  questions.CancelSome(subject.plugin);
  subject.host.Advance(1s);
  CHECK(subject.plugin.Quiesce().Wait().ok());
  CHECK(subject.plugin.Stop().Wait().ok());
  questions.CheckAnswers();
  CHECK_MESSAGE(subject.host.stray_answers() == strays, "a question was answered twice");
}

}  // namespace detail

// Runs the whole suite over a library. To be called in a TEST_CASE.
inline void CheckConformance(const Conformance& what) {
  const Json tag = detail::CheckTag(what);
  const PluginSource source = Loaded(what.file);
  detail::CheckVersions(source);
  detail::CheckBadSettings(what, source, tag);
  detail::CheckLife(what, source, tag.String("/kind"));
  detail::CheckQuestions(what, source, tag);
}

}  // namespace sgw::testing
