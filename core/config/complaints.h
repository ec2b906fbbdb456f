// Complaints: everything that is wrong with a file, in one go, each with its place.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/config/value.h"

namespace sgw::core {

// Keeps the first hundred and counts the rest.
class Complaints {
 public:
  explicit Complaints(std::string file) : file_(std::move(file)) {}

  void Error(Place place, const std::string& text) { Add(place, text, false); }
  void Warning(Place place, const std::string& text) { Add(place, text, true); }

  bool has_errors() const { return has_errors_; }
  // More would only be counted: who can leave the looking does.
  bool is_full() const { return all_.size() >= kMost; }
  const std::string& file() const { return file_; }
  struct Line {
    std::string text;
    bool is_warning = false;
  };
  // In the order of the file: "gateway.yaml:14:9: pipeline[2]: ...".
  std::vector<Line> Lines() const;
  // The lines, for a terminal.
  std::string Text() const;

 private:
  struct Complaint {
    Place place;
    std::string text;  // one line that a terminal shows as it is
    bool is_warning = false;
  };
  static constexpr std::size_t kMost = 100;
  void Add(Place place, const std::string& text, bool is_warning);

  std::string file_;
  std::vector<Complaint> all_;
  std::size_t more_ = 0;
  bool has_errors_ = false;
};

// The candidate that a mistyped word was most likely meant to be; empty when none is near. '-' and '_' are the same.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);
// " (did you mean 'warm'?)" or nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);
// The word with '_' for '-': kinds and names of plugins are equal when these are.
std::string Spelled(std::string_view word);

}  // namespace sgw::core
