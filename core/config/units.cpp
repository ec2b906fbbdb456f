#include "core/config/units.h"

#include <charconv>
#include <limits>

namespace sgw::core {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr Unit kDurations[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr Unit kSizes[] = {
    {"TiB", std::int64_t{1} << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {"B", 1}};

template <std::size_t N>
std::optional<std::int64_t> Parse(std::string_view text, const Unit (&units)[N]) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (unit.name != rest) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string Format(std::int64_t value, const Unit (&units)[N]) {
  if (value == 0) return "0";
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) return std::to_string(value / unit.factor) + std::string(unit.name);
  }
  return std::to_string(value);
}

}  // namespace

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  const auto ms = Parse(text, kDurations);
  return ms ? std::optional(std::chrono::milliseconds(*ms)) : std::nullopt;
}

std::optional<std::int64_t> ParseSize(std::string_view text) { return Parse(text, kSizes); }
std::string FormatDuration(std::chrono::milliseconds duration) { return Format(duration.count(), kDurations); }
std::string FormatSize(std::int64_t bytes) { return Format(bytes, kSizes); }

}  // namespace sgw::core
