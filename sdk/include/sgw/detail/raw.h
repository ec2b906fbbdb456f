// C++ values in the shape of the C boundary. Each Raw object borrows the value that it was made from.
#pragma once

#include <sgw/abi.h>
#include <sgw/values.h>

#include <string>
#include <vector>

namespace sgw::detail {

class RawViews {
 public:
  RawViews() = default;
  explicit RawViews(const std::vector<std::string>& texts) {
    items_.reserve(texts.size());
    for (const std::string& text : texts) items_.push_back(View(text));
  }
  sgw_views get() const { return {items_.data(), items_.size()}; }

 private:
  std::vector<sgw_view> items_;
};

class RawPairs {
 public:
  RawPairs() = default;
  explicit RawPairs(const StringMap& map) {
    items_.reserve(map.size());
    for (const auto& [key, value] : map) items_.push_back({View(key), View(value)});
  }
  sgw_pairs get() const { return {items_.data(), items_.size()}; }

 private:
  std::vector<sgw_pair> items_;
};

class RawEdits {
 public:
  explicit RawEdits(const HeaderEdits& edits) : remove_(edits.remove), set_(edits.set) {}
  sgw_header_edits get() const { return {remove_.get(), set_.get()}; }

 private:
  RawViews remove_;
  RawPairs set_;
};

inline HeaderEdits FromRaw(const sgw_header_edits& raw) { return {.remove = Copy(raw.remove), .set = Copy(raw.set)}; }

inline std::uint64_t RawTime(const std::optional<WallTime>& time) {
  return time ? static_cast<std::uint64_t>(time->time_since_epoch() / std::chrono::nanoseconds(1)) : 0;
}

class RawEndpoint {
 public:
  explicit RawEndpoint(const Endpoint& endpoint)
      : value_(endpoint), headers_(endpoint.headers), labels_(endpoint.labels) {}
  sgw_endpoint get() const {
    return {.size = sizeof(sgw_endpoint),
            .weight = value_.weight,
            .address = View(value_.address),
            .incarnation = View(value_.incarnation),
            .token = View(value_.token.Reveal()),
            .headers = headers_.get(),
            .labels = labels_.get(),
            .tls = static_cast<std::uint32_t>(value_.tls),
            .reserved = 0,
            .server_name = View(value_.server_name)};
  }

 private:
  const Endpoint& value_;
  RawEdits headers_;
  RawPairs labels_;
};

inline Endpoint FromRaw(const sgw_endpoint& raw) {
  return {.address = std::string(Text(raw.address)),
          .incarnation = std::string(Text(raw.incarnation)),
          .token = Secret(std::string(Text(raw.token))),
          .weight = raw.weight == 0 ? 1 : raw.weight,
          .headers = FromRaw(raw.headers),
          .labels = Copy(raw.labels),
          .tls = SGW_HAS(&raw, tls) && raw.tls <= SGW_TLS_ON ? static_cast<Tls>(raw.tls) : Tls::kConfigured,
          .server_name = SGW_HAS(&raw, server_name) ? std::string(Text(raw.server_name)) : std::string()};
}

class RawIdentity {
 public:
  explicit RawIdentity(const Identity& identity)
      : value_(identity),
        groups_(identity.groups),
        claims_(identity.claims),
        headers_(identity.headers),
        made_from_(identity.made_from) {}
  sgw_identity get() const {
    return {.size = sizeof(sgw_identity),
            .as_claimed = value_.is_as_claimed ? 1U : 0U,
            .subject = View(value_.subject),
            .user_name = View(value_.user_name),
            .groups = groups_.get(),
            .claims = claims_.get(),
            .expiry_wall_ns = RawTime(value_.expiry),
            .headers = headers_.get(),
            .realm = View(value_.realm),
            .actor = View(value_.actor),
            .made_from = made_from_.get()};
  }

 private:
  const Identity& value_;
  RawViews groups_;
  RawPairs claims_;
  RawEdits headers_;
  RawViews made_from_;
};

inline Identity FromRaw(const sgw_identity& raw) {
  Identity identity{.subject = std::string(Text(raw.subject)),
                    .user_name = std::string(Text(raw.user_name)),
                    .groups = Copy(raw.groups),
                    .claims = Copy(raw.claims),
                    .headers = FromRaw(raw.headers),
                    .realm = std::string(Text(raw.realm)),
                    .is_as_claimed = raw.as_claimed != 0};
  if (SGW_HAS(&raw, actor)) identity.actor = Text(raw.actor);
  if (SGW_HAS(&raw, made_from)) identity.made_from = Copy(raw.made_from);
  if (raw.expiry_wall_ns != 0) identity.expiry = WallTime(std::chrono::nanoseconds(raw.expiry_wall_ns));
  return identity;
}

class RawRoute {
 public:
  explicit RawRoute(const Route& route)
      : value_(route),
        labels_(route.labels),
        attributes_(route.attributes),
        made_from_(route.made_from),
        headers_(route.headers),
        limits_(RawLimits(route.policy)),
        policy_(RawPolicy(route.policy, limits_)) {}
  // Valid as long as this object.
  sgw_route get() const {
    return {.size = sizeof(sgw_route),
            .reserved = 0,
            .name_space = View(value_.namespace_),
            .team = View(value_.team),
            .environment = View(value_.environment),
            .service_class = View(value_.service_class),
            .labels = labels_.get(),
            .attributes = attributes_.get(),
            .made_from = made_from_.get(),
            .policy = &policy_,
            .headers = headers_.get()};
  }

 private:
  static std::vector<sgw_limit> RawLimits(const Policy& policy) {
    std::vector<sgw_limit> limits;
    limits.reserve(policy.limits.size());
    for (const Limit& limit : policy.limits) {
      limits.push_back({.size = sizeof(sgw_limit),
                        .reserved = 0,
                        .name = View(limit.name),
                        .max_sessions = limit.max_sessions.value_or(-1),
                        .max_operations = limit.max_operations.value_or(-1),
                        .calls_per_second = limit.calls_per_second.value_or(-1),
                        .burst = limit.burst.value_or(-1)});
    }
    return limits;
  }
  static sgw_policy RawPolicy(const Policy& policy, const std::vector<sgw_limit>& limits) {
    return {.size = sizeof(sgw_policy),
            .share = policy.share ? static_cast<std::uint32_t>(*policy.share) : 0,
            .idle_timeout_ms = policy.idle_timeout ? policy.idle_timeout->count() : -1,
            .max_age_ms = policy.max_age ? policy.max_age->count() : -1,
            .max_sessions = policy.max_sessions.value_or(-1),
            .max_operations = policy.max_operations.value_or(-1),
            .calls_per_second = policy.calls_per_second.value_or(-1),
            .limits = limits.data(),
            .limit_count = limits.size(),
            .burst = policy.burst.value_or(-1)};
  }

  const Route& value_;
  RawPairs labels_;
  RawPairs attributes_;
  RawViews made_from_;
  RawEdits headers_;
  std::vector<sgw_limit> limits_;
  sgw_policy policy_;
};

// The elements of an array that is as wide as its writer knew the struct.
template <typename Raw, typename F>
void ForEachRaw(const Raw* items, std::uint64_t count, F each) {
  const auto* at = reinterpret_cast<const char*>(items);
  for (std::uint64_t i = 0; items && i < count; ++i, at += items->size) each(*reinterpret_cast<const Raw*>(at));
}

inline Limit FromRaw(const sgw_limit& raw) {
  const auto known = [](std::int64_t value) { return value >= 0 ? std::optional(value) : std::nullopt; };
  return {.name = std::string(Text(raw.name)),
          .max_sessions = known(raw.max_sessions),
          .max_operations = known(raw.max_operations),
          .calls_per_second = known(raw.calls_per_second),
          .burst = SGW_HAS(&raw, burst) ? known(raw.burst) : std::nullopt};
}

inline Policy FromRaw(const sgw_policy& raw) {
  Policy policy;
  if (raw.share >= 1 && raw.share <= 3) policy.share = static_cast<Share>(raw.share);
  if (raw.idle_timeout_ms >= 0) policy.idle_timeout = Duration(raw.idle_timeout_ms);
  if (raw.max_age_ms >= 0) policy.max_age = Duration(raw.max_age_ms);
  if (raw.max_sessions >= 0) policy.max_sessions = raw.max_sessions;
  if (raw.max_operations >= 0) policy.max_operations = raw.max_operations;
  if (raw.calls_per_second >= 0) policy.calls_per_second = raw.calls_per_second;
  if (SGW_HAS(&raw, burst) && raw.burst >= 0) policy.burst = raw.burst;
  if (SGW_HAS(&raw, limit_count)) {
    ForEachRaw(raw.limits, raw.limit_count, [&](const sgw_limit& each) { policy.limits.push_back(FromRaw(each)); });
  }
  return policy;
}

inline Route FromRaw(const sgw_route& raw) {
  return {.namespace_ = std::string(Text(raw.name_space)),
          .team = std::string(Text(raw.team)),
          .environment = std::string(Text(raw.environment)),
          .service_class = std::string(Text(raw.service_class)),
          .labels = Copy(raw.labels),
          .attributes = Copy(raw.attributes),
          .made_from = Copy(raw.made_from),
          .policy = raw.policy ? FromRaw(*raw.policy) : Policy(),
          .headers = FromRaw(raw.headers)};
}

}  // namespace sgw::detail
