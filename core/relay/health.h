// grpc.health.v1, answered by the gateway itself: load balancers ask whether it serves, not whether a driver does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sgw::core {

enum class HealthMethod : std::uint8_t { kNone, kCheck, kList, kWatch, kUnknown };

// kNone: another service.
HealthMethod HealthMethodOf(std::string_view path);

// The framed request's `service`; nothing when it is no such message.
std::optional<std::string> HealthService(std::string_view framed);
// The gateway as a whole, "", and Spark Connect are known.
bool IsHealthService(std::string_view service);

enum class ServingStatus : std::uint8_t { kServing = 1, kNotServing = 2, kServiceUnknown = 3 };
// A framed HealthCheckResponse.
std::string HealthReply(ServingStatus status);
// A framed HealthListResponse: every service that is known, and all have the gateway's own status.
std::string HealthList(ServingStatus status);

// A larger request is no health check.
inline constexpr std::size_t kMaxHealthRequest = 1024;

}  // namespace sgw::core
