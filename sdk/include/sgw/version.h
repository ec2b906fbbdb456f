#pragma once

#include <string_view>

namespace sgw {

// The SDK's version; the C boundary has one of its own, see SGW_ABI_MAJOR.
inline constexpr std::string_view kSdkVersion = "0.1.0";

}  // namespace sgw
