// SecretTexts: what the configuration took from its references, and no text of a plugin shows.
#pragma once

#include <atomic>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sgw::core {

// Safe for concurrent use. While there is no secret, everything is as it was.
class SecretTexts {
 public:
  // Hidden from now on: each line of it that has at least four bytes without the blanks around it. A shorter one would
  // be found in every other word.
  void Add(const std::string& secret);
  // Takes back one Add().
  void Remove(const std::string& secret);

  bool has_any() const { return has_any_; }
  // kAlsoCut: also the beginning of a secret, of four bytes or more, behind which "..." says that more was there. Never
  // for a text that may hold what a caller has sent and that the caller sees: guesses would be answered.
  enum class Which { kWhole, kAlsoCut };
  // The text with "<secret>" where a secret stands in it.
  std::string Hide(std::string text, Which which = Which::kWhole) const;
  // The same within the strings of a JSON text for operators, which stays one; those that were cut, too.
  std::string HideInJson(std::string json) const;

 private:
  std::size_t FindAt(std::string_view rest, Which which) const;
  std::string Hidden(std::string_view text, Which which) const;

  std::atomic<bool> has_any_{false};
  mutable std::shared_mutex mutex_;   // Guards secrets_.
  std::vector<std::string> secrets_;  // the longest first, as often as they were added
};

}  // namespace sgw::core
