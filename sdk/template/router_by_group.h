// RouterByGroup sends a caller to the namespace of the first of their groups that has one.
#pragma once

#include <sgw/plugin.h>

#include <string>

namespace acme {

struct RouterByGroupSettings {
  sgw::Table<std::string> namespaces;
  std::string otherwise;

  static constexpr auto kSchema =
      sgw::Settings(sgw::Setting("namespaces", &RouterByGroupSettings::namespaces,
                                 "Group to namespace; the first that fits decides.", sgw::kRequired),
                    sgw::Setting("otherwise", &RouterByGroupSettings::otherwise,
                                 "Namespace of everybody else; without it they are refused."));
};

class RouterByGroup : public sgw::Router {
 public:
  static constexpr bool kMaySayNext = false;

  RouterByGroup(RouterByGroupSettings settings, sgw::Host& host);

  sgw::RouterAnswer Decide(const sgw::RouterCall& call) override;
  std::string Describe() const override;

 private:
  const RouterByGroupSettings settings_;
  const sgw::Counter refused_;
};

}  // namespace acme
