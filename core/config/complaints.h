// Complaints: everything that is wrong with a file, in one go, each with its place.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/config/value.h"

namespace sgw::core {

struct Complaint {
  Place place;
  std::string text;
  bool is_warning = false;
};

class Complaints {
 public:
  explicit Complaints(std::string file) : file_(std::move(file)) {}

  void Error(Place place, std::string text) { all_.push_back({place, std::move(text), false}); }
  void Warning(Place place, std::string text) { all_.push_back({place, std::move(text), true}); }

  bool has_errors() const;
  const std::vector<Complaint>& all() const { return all_; }
  const std::string& file() const { return file_; }
  // A line each, in the order of the file: "gateway.yaml:14:9: pipeline[2]: ...".
  std::string Text() const;

 private:
  std::string file_;
  std::vector<Complaint> all_;
};

// The candidate that a mistyped word was most likely meant to be; empty when none is near. '-' and '_' are the same.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);
// " (did you mean 'warm'?)" or nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace sgw::core
