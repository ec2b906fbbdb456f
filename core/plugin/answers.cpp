#include "core/plugin/answers.h"

#include <sgw/detail/raw.h>

#include <algorithm>
#include <cctype>
#include <limits>

namespace sgw::core {
namespace {

constexpr std::uint64_t kMaxLimits = 16;
constexpr std::size_t kMaxLimitName = 256;

// Header names, which are compared with those of a request: in lower case.
std::vector<std::string> NamesOf(sgw_views views) {
  std::vector<std::string> names = TextsOf(views);
  for (std::string& name : names) {
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  }
  return names;
}

HeaderEdits EditsOf(const sgw_header_edits& raw) { return {TextsOf(raw.remove), PairsOf(raw.set)}; }

template <typename T>
void Set(std::int64_t raw, std::optional<T>& into) {
  if (raw >= 0) into = T(raw);
}

}  // namespace

std::string TextOf(sgw_view view) {
  return view.data ? std::string(view.data, std::min(view.size, kMaxText)) : std::string();
}

std::vector<std::string> TextsOf(sgw_views views) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < std::min(views.count, kMaxItems); ++i) texts.push_back(TextOf(views.items[i]));
  return texts;
}

StringMap PairsOf(sgw_pairs pairs) {
  StringMap map;
  for (std::uint64_t i = 0; i < std::min(pairs.count, kMaxItems); ++i) {
    map.emplace_back(TextOf(pairs.items[i].key), TextOf(pairs.items[i].value));
  }
  return map;
}

std::string PlainText(sgw_view view, std::size_t max_bytes) {
  std::string text = TextOf({view.data, std::min<std::uint64_t>(view.size, max_bytes)});
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

Status StatusOf(const sgw_status* raw) {
  if (!raw || !SGW_HAS(raw, retry_ms)) return Internal("the plugin gave no status");
  if (raw->code == 0) return {};
  auto code = raw->code < 0 || raw->code > 16 ? StatusCode::kUnknown : static_cast<StatusCode>(raw->code);
  // Of what the plugin asked, not of the call: a client would take it for its own, and come back at once.
  if (code == StatusCode::kDeadlineExceeded) code = StatusCode::kUnavailable;
  if (raw->retry_ms >= 0) return {code, TextOf(raw->message), RetryIn(Duration(raw->retry_ms))};
  return {code, TextOf(raw->message)};
}

Identity IdentityOf(const sgw_identity& raw) {
  Identity identity;
  identity.subject = TextOf(raw.subject);
  identity.user_name = TextOf(raw.user_name);
  identity.groups = TextsOf(raw.groups);
  identity.claims = PairsOf(raw.claims);
  if (raw.expiry_wall_ns > 0) {
    const auto ns = std::min<std::uint64_t>(raw.expiry_wall_ns, std::numeric_limits<std::int64_t>::max());
    identity.expiry = WallTime(std::chrono::nanoseconds(ns));
  }
  identity.headers = EditsOf(raw.headers);
  identity.is_as_claimed = raw.as_claimed != 0;
  if (SGW_HAS(&raw, actor)) identity.actor = TextOf(raw.actor);
  if (SGW_HAS(&raw, made_from)) identity.made_from = NamesOf(raw.made_from);
  return identity;
}

Route RouteOf(const sgw_route& raw) {
  Route route;
  route.namespace_ = TextOf(raw.name_space);
  route.team = TextOf(raw.team);
  route.environment = TextOf(raw.environment);
  route.service_class = TextOf(raw.service_class);
  route.labels = PairsOf(raw.labels);
  route.attributes = PairsOf(raw.attributes);
  route.made_from = NamesOf(raw.made_from);
  route.headers = EditsOf(raw.headers);
  if (const sgw_policy* policy = raw.policy; policy && SGW_HAS(policy, calls_per_second)) {
    if (policy->share >= 1 && policy->share <= 3) route.policy.share = static_cast<Share>(policy->share);
    Set(policy->idle_timeout_ms, route.policy.idle_timeout);
    Set(policy->max_age_ms, route.policy.max_age);
    Set(policy->max_sessions, route.policy.max_sessions);
    Set(policy->max_operations, route.policy.max_operations);
    Set(policy->calls_per_second, route.policy.calls_per_second);
    if (SGW_HAS(policy, burst)) Set(policy->burst, route.policy.burst);
    if (SGW_HAS(policy, limit_count)) {
      sgw::detail::ForEachRaw(policy->limits, std::min(policy->limit_count, kMaxLimits),
                              [&](const sgw_limit& raw_limit) {
                                if (!SGW_HAS(&raw_limit, calls_per_second)) return;
                                route.policy.limits.push_back(sgw::detail::FromRaw(raw_limit));
                                std::string& limit = route.policy.limits.back().name;
                                limit.resize(std::min(limit.size(), kMaxLimitName));
                              });
    }
  }
  return route;
}

Endpoint EndpointOf(const sgw_endpoint& raw) {
  if (!SGW_HAS(&raw, labels)) return {};
  Endpoint endpoint;
  endpoint.address = TextOf(raw.address);
  endpoint.incarnation = TextOf(raw.incarnation);
  endpoint.token = Secret(TextOf(raw.token));
  endpoint.weight = std::max(raw.weight, 1u);
  endpoint.headers = EditsOf(raw.headers);
  endpoint.labels = PairsOf(raw.labels);
  if (SGW_HAS(&raw, tls) && raw.tls <= SGW_TLS_ON) endpoint.tls = static_cast<Tls>(raw.tls);
  if (SGW_HAS(&raw, server_name)) endpoint.server_name = TextOf(raw.server_name);
  return endpoint;
}

}  // namespace sgw::core
