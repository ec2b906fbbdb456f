// The token file of auth_token, for who is about to write into it.
#pragma once

#include <cstddef>
#include <string>

#include "core/config/complaints.h"

namespace sgw::core {

inline constexpr std::size_t kMaxTokenFileBytes = 16 << 20;

// How many tokens the text has. Complains about all that auth_token would not read, and about anchors and aliases; what
// stands in the place of a hash is never shown, it may be a token.
std::size_t CheckTokens(const std::string& text, Complaints& complaints);

}  // namespace sgw::core
