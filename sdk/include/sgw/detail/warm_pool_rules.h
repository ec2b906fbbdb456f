// WarmPoolRules: the settings that every WarmPool has.
#pragma once

#include <sgw/settings.h>
#include <sgw/values.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sgw {

struct WarmPoolRules {
  std::int64_t size = 1;
  std::int64_t max_size = 32;
  std::vector<std::string> namespaces{};
  Duration idle_timeout = 15min;
  Duration max_age{0};
  Duration start_timeout = 2min;
  std::int64_t max_starts = 2;
  Duration retry_min = 1s;
  Duration retry_max = 1min;
  Duration adopt_timeout = 1min;
  Duration stop_timeout = 20s;

  static constexpr auto kSchema = Settings(
      Setting("size", &WarmPoolRules::size, "Warm servers kept ready for each namespace, class and attributes."),
      Setting("max_size", &WarmPoolRules::max_size, "The most servers of the pool altogether, whatever they do."),
      Setting("namespaces", &WarmPoolRules::namespaces,
              "Namespaces that are kept warm from the start; others are from their first question on."),
      Setting("idle_timeout", &WarmPoolRules::idle_timeout,
              "Warm servers of a namespace that is not listed are ended when nobody asked for this long."),
      Setting("max_age", &WarmPoolRules::max_age,
              "Warm servers older than this are replaced, leased ones never; 0: whatever their age."),
      Setting("start_timeout", &WarmPoolRules::start_timeout, "How long a server may take until it answers."),
      Setting("max_starts", &WarmPoolRules::max_starts, "The most servers that are starting at once."),
      Setting("retry_min", &WarmPoolRules::retry_min, "The pause after a start that failed; it doubles each time."),
      Setting("retry_max", &WarmPoolRules::retry_max, "The longest pause between starts."),
      Setting("adopt_timeout", &WarmPoolRules::adopt_timeout,
              "How long servers that were found at the start wait for the sessions they belong to."),
      Setting("stop_timeout", &WarmPoolRules::stop_timeout, "How long the gateway's end waits for the servers' ends."));

  Status Validate() const {
    if (size < 0) return InvalidArgument("size: cannot be negative");
    if (max_size < 1 || max_size < size) return InvalidArgument("max_size: is at least 1, and at least size");
    if (max_size > 10'000) return InvalidArgument("max_size: is at most 10000");
    if (max_starts < 1) return InvalidArgument("max_starts: is at least 1");
    if (start_timeout <= 0s) return InvalidArgument("start_timeout: is more than 0");
    if (retry_min <= 0s || retry_max < retry_min) {
      return InvalidArgument("retry_min: is more than 0 and at most retry_max");
    }
    if (max_age < 0s || idle_timeout < 0s || adopt_timeout < 0s || stop_timeout < 0s) {
      return InvalidArgument("max_age, idle_timeout, adopt_timeout, stop_timeout: cannot be negative");
    }
    return {};
  }
};

}  // namespace sgw
