#include "core/relay/health.h"

#include <algorithm>
#include <array>

#include "core/connect/field_scanner.h"

namespace sgw::core {
namespace {

constexpr std::string_view kPrefix = "/grpc.health.v1.Health/";
constexpr std::array<std::string_view, 3> kServices = {"", "spark.connect.SparkConnectService",
                                                       "grpc.health.v1.Health"};

class ServiceField : public FieldScanner::Visitor {
 public:
  const char* OnMessage(std::uint8_t flags, std::uint32_t) override { return flags == 0 ? nullptr : "compressed"; }
  std::string* OnField(std::uint32_t number, WireType type, std::uint64_t, const char**) override {
    if (number != 1 || type != WireType::kLength) return nullptr;
    service.clear();
    return &service;
  }
  void OnValue(std::uint32_t, std::uint64_t) override {}
  void OnMessageEnd() override { is_whole = true; }

  std::string service;
  bool is_whole = false;
};

}  // namespace

HealthMethod HealthMethodOf(std::string_view path) {
  if (!path.starts_with(kPrefix)) return HealthMethod::kNone;
  path.remove_prefix(kPrefix.size());
  if (path == "Check") return HealthMethod::kCheck;
  if (path == "List") return HealthMethod::kList;
  return path == "Watch" ? HealthMethod::kWatch : HealthMethod::kUnknown;
}

std::optional<std::string> HealthService(std::string_view framed) {
  FieldScanner scanner;
  ServiceField field;
  while (!framed.empty() && !scanner.error() && !field.is_whole) framed.remove_prefix(scanner.Feed(framed, field));
  if (!field.is_whole || scanner.error() || !framed.empty()) return std::nullopt;
  return std::move(field.service);
}

bool IsHealthService(std::string_view service) {
  return std::find(kServices.begin(), kServices.end(), service) != kServices.end();
}

std::string HealthReply(ServingStatus status) { return {0, 0, 0, 0, 2, 0x08, static_cast<char>(status)}; }

std::string HealthList(ServingStatus status) {
  std::string message;
  for (const std::string_view service : kServices) {
    // map<string, HealthCheckResponse> statuses = 1
    const std::string value{0x12, 2, 0x08, static_cast<char>(status)};
    const std::string key = std::string{0x0a, static_cast<char>(service.size())}.append(service);
    message += std::string{0x0a, static_cast<char>(key.size() + value.size())} + key + value;
  }
  return std::string{0, 0, 0, 0, static_cast<char>(message.size())} + message;
}

}  // namespace sgw::core
