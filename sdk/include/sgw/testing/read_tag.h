// Reads a plugin's tag from its file, without running its code.
#pragma once

#include <sgw/abi.h>
#include <sgw/json.h>

#include <fstream>
#include <iterator>
#include <string>

namespace sgw::testing {

// The tag's object. NOT_FOUND: the file has none.
inline Result<Json> ReadTag(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string magic = std::string(SGW_TAG_MAGIC) + "{";
  const std::size_t at = bytes.find(magic);
  if (at == std::string::npos) return NotFound(file + " has no tag");
  const std::size_t begin = at + magic.size() - 1;
  return Json::Parse(std::string_view(bytes).substr(begin, bytes.find('\0', begin) - begin));
}

}  // namespace sgw::testing
