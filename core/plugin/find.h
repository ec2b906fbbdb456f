// Which file a `use:` means.
#pragma once

#include <sgw/status.h>

#include <string>
#include <vector>

namespace sgw::core {

// A path (it has a slash), or a library's name, '-' and '_' alike, in the first of the directories that has it.
// NOT_FOUND says where it was looked for, and which name is the nearest.
Result<std::string> FindLibrary(const std::string& use, const std::vector<std::string>& directories);

}  // namespace sgw::core
