#include "core/relay/health.h"

#include "core/connect/field_scanner.h"

namespace sgw::core {
namespace {

constexpr std::string_view kPrefix = "/grpc.health.v1.Health/";

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
  return service.empty() || service == "spark.connect.SparkConnectService" || service == "grpc.health.v1.Health";
}

std::string HealthReply(ServingStatus status) { return {0, 0, 0, 0, 2, 0x08, static_cast<char>(status)}; }

}  // namespace sgw::core
