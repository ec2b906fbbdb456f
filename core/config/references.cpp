#include "core/config/references.h"

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "core/config/files.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxSecretBytes = 64 * 1024;

struct Found {
  std::string text;
  std::string problem;  // empty: found
};

Found FromEnvironment(const std::string& name) {
  const char* found = std::getenv(name.c_str());
  if (!found) return {"", "the environment has no variable '" + name + "'"};
  return {found, ""};
}

Found FromFile(const std::string& path) {
  std::error_code error;
  std::string problem = "a secret is a regular file of at most 64 KiB";
  std::optional<std::string> text;
  if (std::filesystem::is_regular_file(path, error)) text = ReadSmallFile(path, kMaxSecretBytes, problem);
  if (!text) return {"", "cannot take '" + path + "': " + (error ? error.message() : problem)};
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  return {*std::move(text), ""};
}

}  // namespace

void ReplaceReferences(Value& value, const std::string& directory, Complaints& complaints) {
  const std::string text = value.text;
  std::string out;
  std::size_t at = 0;
  for (std::size_t start; (start = text.find("${", at)) != std::string::npos;) {
    const std::size_t end = text.find('}', start);
    const std::string inner = text.substr(start + 2, end == std::string::npos ? end : end - start - 2);
    Found found;
    std::string reference = inner;
    if (end != std::string::npos && inner.rfind("env:", 0) == 0) {
      found = FromEnvironment(inner.substr(4));
      value.variables.push_back(inner.substr(4));
    } else if (end != std::string::npos && inner.rfind("file:", 0) == 0) {
      const std::string path = Absolute(inner.substr(5), directory);
      reference = "file:" + path;
      found = FromFile(path);
    } else {
      found.problem = "'${" + inner.substr(0, 40) + "' is no reference; write ${env:NAME} or ${file:/path}";
    }
    value.is_secret = true;
    if (!found.problem.empty()) {
      complaints.Error(value.place, found.problem);
      value.is_broken = true;
    }
    if (end == std::string::npos) break;
    out += text.substr(at, start - at) + found.text;
    value.secrets.push_back(std::move(found.text));
    at = end + 1;
    if (start == 0 && at == text.size()) value.reference = "${" + reference + "}";
  }
  if (value.is_secret) value.text = out + text.substr(at);
}

}  // namespace sgw::core
