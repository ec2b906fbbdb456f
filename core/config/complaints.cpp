#include "core/config/complaints.h"

#include <algorithm>
#include <numeric>

namespace sgw::core {
namespace {

std::string Plain(std::string_view word) {
  std::string plain;
  for (const char c : word) plain += c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t next = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = std::exchange(row[j], next);
    }
  }
  return row.back();
}

}  // namespace

bool Complaints::has_errors() const {
  return std::any_of(all_.begin(), all_.end(), [](const Complaint& one) { return !one.is_warning; });
}

std::string Complaints::Text() const {
  std::vector<Complaint> sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Complaint& a, const Complaint& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  std::string text;
  for (const Complaint& one : sorted) {
    text += file_;
    if (one.place.line > 0) text += ":" + std::to_string(one.place.line) + ":" + std::to_string(one.place.column);
    text += (one.is_warning ? ": warning: " : ": ") + one.text + "\n";
  }
  return text;
}

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string plain = Plain(word.substr(0, 64));
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(plain.size() / 3, 1) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = Distance(plain, Plain(candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string nearest = Nearest(word, candidates);
  return nearest.empty() ? "" : " (did you mean '" + nearest + "'?)";
}

}  // namespace sgw::core
