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

// What a file says may hold anything, also what moves a terminal's cursor.
std::string Shown(const std::string& text) {
  constexpr std::size_t kLongest = 1000;
  std::string line;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      line += c;
      continue;
    }
    constexpr char kHex[] = "0123456789abcdef";
    line += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
  }
  return text.size() > kLongest ? line + "..." : line;
}

}  // namespace

void Complaints::Add(Place place, const std::string& text, bool is_warning) {
  has_errors_ = has_errors_ || !is_warning;
  if (is_full()) {
    ++more_;
    return;
  }
  all_.push_back({place, Shown(text), is_warning});
}

std::vector<Complaints::Line> Complaints::Lines() const {
  std::vector<Complaint> sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Complaint& a, const Complaint& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  std::vector<Line> lines;
  for (const Complaint& one : sorted) {
    std::string text = file_;
    if (one.place.line > 0) text += ":" + std::to_string(one.place.line) + ":" + std::to_string(one.place.column);
    lines.push_back({text + (one.is_warning ? ": warning: " : ": ") + one.text, one.is_warning});
  }
  if (more_ > 0) lines.push_back({file_ + ": and " + std::to_string(more_) + " more"});
  return lines;
}

std::string Complaints::Text() const {
  std::string text;
  for (const Line& line : Lines()) text += line.text + "\n";
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

std::string Spelled(std::string_view word) {
  std::string spelled(word);
  std::replace(spelled.begin(), spelled.end(), '-', '_');
  return spelled;
}

}  // namespace sgw::core
