#include "core/plugin/find.h"

#include <algorithm>
#include <filesystem>

#include "core/config/complaints.h"

namespace sgw::core {

Result<std::string> FindLibrary(const std::string& use, const std::vector<std::string>& directories) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (use.find('/') != std::string::npos) {
    if (fs::exists(use, error)) return use;
    return NotFound("there is no file '" + use + "'");
  }
  std::vector<std::string> names;
  std::string searched;
  for (const std::string& directory : directories) {
    searched += (searched.empty() ? "" : ", ") + directory;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
      if (entry.path().extension() == ".so") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      if (Spelled(file.stem().string()) == Spelled(use)) return file.string();
      names.push_back(file.stem().string());
    }
  }
  return NotFound("no plugin '" + use + "' in " + (searched.empty() ? "any directory" : searched) +
                  DidYouMean(use, names));
}

}  // namespace sgw::core
