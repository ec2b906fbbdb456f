#include <doctest/doctest.h>
#include <sgw/detail/tag.h>
#include <sgw/plugin.h>

#include <string>

using namespace sgw;

namespace {

struct Inner {
  int port = 15002;
  std::vector<std::string> names;
  static constexpr auto kSchema =
      Settings(Setting("port", &Inner::port, "A port."), Setting("names", &Inner::names, "Names.", kRequired));
  Status Validate() const { return port > 0 ? Status() : InvalidArgument("port: must be positive"); }
};

struct Shared {
  bool loud = true;
  static constexpr auto kSchema = Settings(Setting("loud", &Shared::loud, "Whether."));
};

struct All {
  std::string url;
  Secret password;
  Duration timeout = 2s;
  Bytes limit = 64_KiB;
  double ratio = 0.25;
  std::optional<Duration> pause;
  std::vector<Inner> inners;
  Table<Inner> table;
  Inner one;
  Shared shared;
  std::vector<std::string> aliases = {"x-team", "a\"b"};
  std::int64_t big = INT64_MIN;
  static constexpr auto kSchema =
      Settings(Setting("url", &All::url, "Where.", kRequired), Setting("password", &All::password, "Secret."),
               Setting("timeout", &All::timeout, "How long."), Setting("limit", &All::limit, "How much."),
               Setting("ratio", &All::ratio, "Share."), Setting("pause", &All::pause, "Pause."),
               Setting("inners", &All::inners, "List."), Setting("table", &All::table, "Map."),
               Setting("one", &All::one, "One."), Inlined(&All::shared), Setting("aliases", &All::aliases, "Aliases."),
               Setting("big", &All::big, "Big."));
};

class Any : public Authenticator {
 public:
  AuthAnswer Authenticate(const AuthCall&) override { return Next{}; }
};

// The tag as the macro makes it: no initialiser runs for it.
constexpr auto kTag = sgw::detail::MakeTag<Authenticator, Any, All, "auth_any">();

Json Tag() {
  const std::string_view text(kTag.data());
  REQUIRE(text.starts_with(SGW_TAG_MAGIC));
  return *Json::Parse(text.substr(std::string_view(SGW_TAG_MAGIC).size()));
}

constexpr std::string_view kInner = R"({"names": ["a"]})";

}  // namespace

TEST_CASE("the tag tells the schema with the struct's own defaults") {
  const Json tag = Tag();
  CHECK(tag.String("/name") == "auth_any");
  CHECK(tag.String("/kind") == "auth");
  CHECK(tag.Strings("/capabilities") == std::vector<std::string>{"next"});
  const auto setting = [&](std::string_view name) -> const Json& {
    for (const Json& each : tag.At("/settings")->elements()) {
      if (each.String("/name") == name) return each;
    }
    FAIL("no such setting");
    return tag;
  };
  CHECK(setting("url").Bool("/required"));
  CHECK(setting("url").At("/default") == nullptr);
  CHECK(setting("password").String("/type") == "secret");
  CHECK(setting("password").At("/default") == nullptr);
  CHECK(setting("timeout").String("/default") == "2s");
  CHECK(setting("limit").String("/default") == "64KiB");
  CHECK(setting("ratio").String("/default") == "0.25");
  CHECK(setting("pause").String("/type") == "duration");
  CHECK(setting("pause").At("/default") == nullptr);
  CHECK(setting("loud").String("/default") == "true");
  CHECK(setting("aliases").String("/default") == R"(["x-team", "a\"b"])");
  CHECK(setting("big").String("/default") == "-9223372036854775808");
  CHECK(setting("inners").String("/of/type") == "object");
  CHECK(setting("table").String("/of/settings/0/name") == "port");
  CHECK(setting("one").String("/settings/0/default") == "15002");
}

TEST_CASE("settings are read into the struct, and what is missing keeps its default") {
  const auto all = detail::ReadSettings<All>(R"({"url": "u", "password": "p", "timeout": 250, "limit": 7, "pause": null,
      "loud": false, "inners": [{"names": []}, {"port": 1, "names": ["x"]}], "table": {"b": {"names": []}},
      "one": {"names": ["n"]}})");
  REQUIRE_MESSAGE(all, all.status().message());
  CHECK(all->url == "u");
  CHECK(all->password.Reveal() == "p");
  CHECK(all->timeout == 250ms);
  CHECK(all->limit.value == 7);
  CHECK(all->ratio == 0.25);
  CHECK_FALSE(all->pause);
  CHECK_FALSE(all->shared.loud);
  CHECK(all->inners.at(1).names == std::vector<std::string>{"x"});
  CHECK(all->table.at(0).first == "b");
  CHECK(all->table.at(0).second.port == 15002);
}

TEST_CASE("each complaint names the setting") {
  const auto complaint = [](const std::string& text) { return detail::ReadSettings<All>(text).status().message(); };
  CHECK(complaint("{}") == "url: is required");
  CHECK(complaint(R"({"url": 3})") == "url: expected a text");
  CHECK(complaint(R"({"url": "u", "timeout": "2s"})") == "timeout: expected a duration in milliseconds");
  CHECK(complaint(R"({"url": "u", "one": )" + std::string(kInner) + R"(, "nobody": 1})") ==
        "nobody: there is no such setting");
  CHECK(complaint(R"({"url": "u", "inners": [{"names": []}, {"names": [4]}]})") ==
        "inners[1].names[0]: expected a text");
  CHECK(complaint(R"({"url": "u", "table": {"b": {}}})") == "table.b.names: is required");
  CHECK(complaint(R"({"url": "u", "one": {"names": [], "port": 99999999999}})") ==
        "one.port: expected an integer in range");
  CHECK(complaint(R"({"url": "u", "one": {"names": [], "port": -1}})") == "one: port: must be positive");
  CHECK(complaint("[]") == "the settings: expected a map of settings");
}

TEST_CASE("a secret does not print") {
  std::ostringstream out;
  out << Secret("hunter2");
  CHECK(out.str() == "<secret>");
}
