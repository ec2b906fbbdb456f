// Where router_headers says that a call belongs, whatever its caller writes. The input is which configuration, then
// texts with their size before them: the caller's name, a group, the authority, and pairs of a header and its value.
#include <sgw/testing/fake_call.h>

#include <algorithm>

#include "plugins/router_headers/router_headers.h"
#include "tests/fuzz/input.h"

namespace sgw::plugins {
namespace {

using fuzz::Require;

HeaderRouterSettings Plain() {
  HeaderRouterSettings settings;
  settings.team_headers = {"x-spark-team", "x-team"};
  settings.hosts = {{"ads.spark.example", "ads/prod"}};
  settings.allowed = std::vector<std::string>{"ads/prod", "ml/*"};
  settings.attributes = {{.header = "x-spark-size", .name = "size", .values = {"small", "large"}}};
  return settings;
}

HeaderRouterSettings Ruled() {
  HeaderRouterSettings settings;
  settings.namespace_ = "sjns-{team}-{environment}-{user}";
  settings.default_environment = "dev";
  settings.rules =
      std::vector<Rule>{{.groups = {"eng-*"}, .teams = {"{group}"}, .environments = {"dev"}, .default_team = "{group}"},
                        {.subjects = {"root"}, .namespaces = {"sjns-*-prod-root"}}};
  return settings;
}

struct Never final : detail::Deferrer<RouterAnswer> {
  Completion<RouterAnswer> Defer() override {
    Require(false, "a place is known at once");
    std::abort();
  }
  void ReportPhase(std::string_view) override {}
};

bool HasOnly(const std::string& text, std::string_view letters) {
  return !text.empty() && text.find_first_not_of(letters) == std::string::npos;
}

void CheckRoute(const Route& route, const Identity& caller, bool is_ruled) {
  constexpr std::string_view kPiece = "abcdefghijklmnopqrstuvwxyz0123456789";
  const std::string letters = std::string(kPiece) + "-";
  Require(HasOnly(route.namespace_, letters) && route.namespace_.size() <= 63, "a namespace is a DNS label");
  Require(HasOnly(route.team, letters) && HasOnly(route.environment, kPiece), "nothing else is part of a namespace");
  const std::string place = "sjns-" + route.team + "-" + route.environment;
  if (is_ruled) {
    Require(route.namespace_ == place + "-" + caller.subject, "a namespace is what it was made from");
    const auto& groups = caller.groups;
    const bool is_own = route.team.starts_with("eng-") && route.environment == "dev" &&
                        std::find(groups.begin(), groups.end(), route.team) != groups.end();
    const bool is_root =
        caller.subject == "root" && route.environment == "prod" && route.team.find('-') == route.team.npos;
    Require(is_own || is_root, "a rule allows it");
    return;
  }
  Require(route.namespace_ == place, "a namespace is what it was made from");
  Require(place == "sjns-ads-prod" || route.team == "ml", "the pair exists");
  for (const auto& [name, value] : route.attributes) {
    Require(name == "size" && (value == "small" || value == "large"), "an attribute has a value that was foreseen");
  }
}

void Check(fuzz::Input input) {
  static HeaderRouter plain(Plain());
  static HeaderRouter ruled(Ruled());
  const bool is_ruled = input.Byte() % 2 == 1;
  Identity caller;
  caller.subject = input.Text();
  caller.groups = {std::string(input.Text()), "eng-data"};
  testing::FakeCall call;
  call.Authority(std::string(input.Text())).As(caller);
  constexpr const char* kNames[] = {"x-spark-team", "x-team", "x-spark-environment", "x-spark-size"};
  while (!input.empty()) {
    const std::uint8_t which = input.Byte();
    call.Header(kNames[which % std::size(kNames)], std::string(input.Text()));
  }
  Never never;
  const RouterAnswer answer =
      call.Use([&](const sgw_call& raw) { return (is_ruled ? ruled : plain).Decide(RouterCall(raw, never, caller)); });
  if (const auto* route = answer.get<Route>()) return CheckRoute(*route, caller, is_ruled);
  Require(!answer.status().ok(), "who is not routed is refused");
  const std::string why = answer.status().message();
  Require(!why.empty() && why.size() < 2'000, "a refusal has its reason");
  Require(std::none_of(why.begin(), why.end(), [](char c) { return c < ' ' || c > '~'; }),
          "it is a line that anyone can read");
}

}  // namespace
}  // namespace sgw::plugins

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::plugins::Check({data, size});
  return 0;
}
