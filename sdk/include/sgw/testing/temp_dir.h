// TempDir: a folder for one test, for the files that a plugin reads or writes.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace sgw::testing {

// A folder of its own that goes, with all that is in it, when this goes.
class TempDir {
 public:
  // Throws std::runtime_error when none can be made in `parent`.
  explicit TempDir(const std::string& parent = "/tmp") : path_(parent + "/sgw-test-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder in " + parent);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

  // Writes a file into it and gives its path.
  std::string Write(const std::string& name, const std::string& content) const {
    std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

 private:
  std::string path_;
};

}  // namespace sgw::testing
