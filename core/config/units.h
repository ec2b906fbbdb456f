// Durations and sizes as the configuration writes them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sgw::core {

// "250ms", "25s", "30m", "24h", "7d" or "0"; one whole number with one unit. None: it is not one.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
// "64KiB", "1MiB", "2GiB", "1TiB", "17B" or a number of bytes.
std::optional<std::int64_t> ParseSize(std::string_view text);
std::string FormatDuration(std::chrono::milliseconds duration);
std::string FormatSize(std::int64_t bytes);

}  // namespace sgw::core
