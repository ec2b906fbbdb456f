#include "core/config/token_file.h"

#include <algorithm>
#include <ctime>
#include <set>

#include "core/config/reader.h"
#include "core/config/yaml.h"

namespace sgw::core {
namespace {

constexpr const char* kEntry = "{sha256: ..., subject: ...}";

bool IsHash(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool IsTime(const std::string& text) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return end && *end == '\0';
}

bool IsText(const Value& value) { return value.kind == Value::Kind::kScalar; }

class Reader {
 public:
  explicit Reader(Complaints& complaints) : complaints_(complaints) {}

  void Read(const Value& entry, const std::string& where) {
    if (entry.is_broken) return;
    if (entry.kind != Value::Kind::kMap) return complaints_.Error(entry.place, where + " must be " + kEntry);
    MapReader keys(entry, where, kNoDirectory, complaints_);
    const Value* const hash = keys.Get("sha256");
    if (!hash || !IsText(*hash) || !IsHash(hash->text)) {
      complaints_.Error(hash ? hash->place : entry.place,
                        where + ".sha256 must be the SHA-256 of a token, 64 lower-case hexadecimal digits");
    } else if (!hashes_.insert(hash->text).second) {
      complaints_.Error(hash->place, where + ": the token stands here a second time");
    }
    const Value* const subject = keys.Get("subject");
    if (!subject || !IsText(*subject) || subject->text.empty())
      complaints_.Error(subject ? subject->place : entry.place, where + ".subject must be a name");
    Want(keys, "user_name", "a text", IsText);
    Want(keys, "groups", "a list of texts", [](const Value& value) {
      return value.kind == Value::Kind::kList && std::all_of(value.list.begin(), value.list.end(), IsText);
    });
    Want(keys, "expires", "a time such as 2027-01-31T00:00:00Z",
         [](const Value& value) { return IsText(value) && IsTime(value.text); });
  }

 private:
  template <typename Is>
  static void Want(MapReader& keys, const std::string& key, const std::string& wanted, Is is_right) {
    const Value* const value = keys.Get(key);
    if (value && !is_right(*value)) keys.Wrong(*value, key, wanted);
  }

  const std::string kNoDirectory;
  Complaints& complaints_;
  std::set<std::string> hashes_;
};

}  // namespace

std::size_t CheckTokens(const std::string& text, Complaints& complaints) {
  const auto root = ParseYaml(text, "", complaints, {.max_bytes = kMaxTokenFileBytes, .has_references = false});
  if (!root || root->kind == Value::Kind::kNull) return 0;
  if (root->kind != Value::Kind::kList) {
    complaints.Error(root->place, std::string("a token file is a list of `- ") + kEntry + "`, and this is none");
    return 0;
  }
  Reader reader(complaints);
  for (std::size_t i = 0; i < root->list.size() && !complaints.is_full(); ++i)
    reader.Read(root->list[i], "[" + std::to_string(i) + "]");
  return root->list.size();
}

}  // namespace sgw::core
