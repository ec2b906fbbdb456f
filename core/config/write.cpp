#include "core/config/write.h"

#include "core/config/sections.h"
#include "core/config/units.h"

namespace sgw::core {
namespace {

// Takes the same calls as MapReader.
class MapWriter {
 public:
  void Name(const std::string& key, const std::string& text) { map.Add(key, Value::String(text)); }
  // An empty path is one that was not given.
  void Path(const std::string& key, const std::string& text) {
    if (!text.empty()) Name(key, text);
  }
  void Address(const std::string& key, const std::string& text) { Name(key, text); }
  void TcpAddress(const std::string& key, const std::string& text) { Name(key, text); }
  void Bool(const std::string& key, bool value) { Plain(key, value ? "true" : "false"); }
  void Count(const std::string& key, std::int64_t value, std::int64_t, std::int64_t) {
    Plain(key, std::to_string(value));
  }
  void Size(const std::string& key, std::int64_t value, std::int64_t, std::int64_t) { Plain(key, FormatSize(value)); }
  void Duration(const std::string& key, milliseconds value, milliseconds, milliseconds) {
    Plain(key, FormatDuration(value));
  }
  // An empty word is one of something that is not there.
  void Word(const std::string& key, const std::string& word, const std::vector<std::string>&) {
    if (!word.empty()) Name(key, word);
  }
  template <typename Keys>
  void Section(const std::string& key, const Keys& keys) {
    MapWriter writer;
    keys(writer);
    if (!writer.map.map.empty()) map.Add(key, std::move(writer.map));
  }

  Value map = Value::Map();

 private:
  void Plain(const std::string& key, std::string text) { map.Add(key, Value::Plain(std::move(text))); }
};

Value TextsOf(const std::vector<std::string>& texts) {
  Value list = Value::List();
  for (const std::string& text : texts) list.list.push_back(Value::String(text));
  return list;
}

}  // namespace

Value WriteConfig(const Config& config, const std::map<std::string, Value>& settings) {
  Value listeners = Value::List();
  for (const ListenerConfig& listener : config.listeners) {
    MapWriter writer;
    VisitListener(listener, writer);
    listeners.list.push_back(std::move(writer.map));
  }
  Value plugins = Value::Map();
  for (const PluginConfig& plugin : config.plugins) {
    Value map = Value::Map();
    map.Add("use", Value::String(plugin.use));
    if (const auto found = settings.find(plugin.name); found != settings.end()) {
      for (const auto& setting : found->second.map) map.Add(setting.key, setting.value);
    }
    plugins.Add(plugin.name, std::move(map));
  }
  Value pipeline = Value::List();
  for (const StepConfig& step : config.pipeline) {
    MapWriter writer;
    writer.map.Add(KindName(step.kind), TextsOf(step.instances));
    VisitStep(step, writer);
    pipeline.list.push_back(std::move(writer.map));
  }
  MapWriter root;
  root.map.Add("listeners", std::move(listeners));
  root.map.Add("plugin_directories", TextsOf(config.plugin_directories));
  root.map.Add("plugins", std::move(plugins));
  root.map.Add("pipeline", std::move(pipeline));
  VisitSections(config, root);
  return std::move(root.map);
}

}  // namespace sgw::core
