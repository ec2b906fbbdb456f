#include "core/plugin/secret_texts.h"

#include <sgw/json.h>

#include <algorithm>
#include <mutex>

namespace sgw::core {
namespace {

constexpr std::string_view kMask = "<secret>";
constexpr std::size_t kLeast = 4;

// The lines of a secret, as they are and as JSON has them.
std::vector<std::string> PartsOf(std::string_view secret) {
  std::vector<std::string> parts;
  while (!secret.empty()) {
    const std::size_t end = secret.find('\n');
    std::string_view line = secret.substr(0, end);
    secret.remove_prefix(end == std::string_view::npos ? secret.size() : end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
    if (line.size() < kLeast) continue;
    parts.emplace_back(line);
    std::string escaped = JsonEscape(line);
    if (escaped != line) parts.push_back(std::move(escaped));
  }
  return parts;
}

}  // namespace

void SecretTexts::Add(const std::string& secret) {
  const std::lock_guard lock(mutex_);
  for (std::string& part : PartsOf(secret)) {
    const auto is_longer = [](const std::string& one, const std::string& other) { return one.size() > other.size(); };
    secrets_.insert(std::upper_bound(secrets_.begin(), secrets_.end(), part, is_longer), std::move(part));
  }
  has_any_ = !secrets_.empty();
}

void SecretTexts::Remove(const std::string& secret) {
  const std::lock_guard lock(mutex_);
  for (const std::string& part : PartsOf(secret)) {
    const auto found = std::find(secrets_.begin(), secrets_.end(), part);
    if (found != secrets_.end()) secrets_.erase(found);
  }
  has_any_ = !secrets_.empty();
}

// How many bytes of a secret the text begins with; 0: none that need hiding.
std::size_t SecretTexts::FindAt(std::string_view rest, Which which) const {
  for (const std::string& secret : secrets_) {
    if (rest.front() != secret.front()) continue;
    const auto [end, ignored] = std::mismatch(rest.begin(), rest.end(), secret.begin(), secret.end());
    const auto size = static_cast<std::size_t>(end - rest.begin());
    if (size == secret.size() || (which == Which::kAlsoCut && size >= kLeast && rest.substr(size).starts_with("...")))
      return size;
  }
  return 0;
}

std::string SecretTexts::Hidden(std::string_view text, Which which) const {
  std::string shown;
  while (!text.empty()) {
    const std::size_t size = FindAt(text, which);
    shown += size > 0 ? kMask : text.substr(0, 1);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return shown;
}

std::string SecretTexts::Hide(std::string text, Which which) const {
  if (!has_any_) return text;
  const std::shared_lock lock(mutex_);
  return Hidden(text, which);
}

std::string SecretTexts::HideInJson(std::string json) const {
  if (!has_any_) return json;
  const std::shared_lock lock(mutex_);
  std::string shown;
  for (std::string_view rest = json; !rest.empty();) {
    const std::size_t open = std::min(rest.find('"'), rest.size() - 1) + 1;
    shown += rest.substr(0, open);
    rest.remove_prefix(open);
    std::size_t close = 0;
    while (close < rest.size() && rest[close] != '"') close += rest[close] == '\\' ? 2 : 1;
    close = std::min(close, rest.size());
    shown += Hidden(rest.substr(0, close), Which::kAlsoCut);
    shown += rest.substr(close, 1);
    rest.remove_prefix(std::min(close + 1, rest.size()));
  }
  return shown;
}

}  // namespace sgw::core
