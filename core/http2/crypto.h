// Hashes and random text, on OpenSSL.
#pragma once

#include <string>
#include <string_view>

namespace sgw::core {

// SHA-256 in lower-case hexadecimal.
std::string Sha256Hex(std::string_view bytes);
// Letters and digits from the system's random source, about 5.95 bits each. Good for secrets.
std::string RandomText(std::size_t length);

}  // namespace sgw::core
