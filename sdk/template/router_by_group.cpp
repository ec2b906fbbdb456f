#include "router_by_group.h"

#include <algorithm>
#include <utility>

namespace acme {

RouterByGroup::RouterByGroup(RouterByGroupSettings settings, sgw::Host& host)
    : settings_(std::move(settings)),
      refused_(
          host.MakeCounter("spark_gateway_router_by_group_refused_total", "Callers in no group with a namespace.")) {}

sgw::RouterAnswer RouterByGroup::Decide(const sgw::RouterCall& call) {
  const auto& groups = call.identity().groups;
  for (const auto& [group, name_space] : settings_.namespaces) {
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) continue;
    return sgw::Route{.namespace_ = name_space, .team = group};
  }
  if (!settings_.otherwise.empty()) return sgw::Route{.namespace_ = settings_.otherwise};
  refused_.Add();
  std::string names;
  for (const auto& [group, name_space] : settings_.namespaces) names += (names.empty() ? "" : ", ") + group;
  return sgw::PermissionDenied(
      "You are in no group that has a Spark namespace. Ask your team to add you to one of: " + names + ".");
}

std::string RouterByGroup::Describe() const {
  sgw::JsonWriter json;
  json.BeginObject().Member("groups", settings_.namespaces.size()).EndObject();
  return std::move(json).Text();
}

}  // namespace acme
