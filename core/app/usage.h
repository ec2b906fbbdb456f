// Usage: what a command takes on its command line.
#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>

#include "core/app/commands.h"

namespace sgw::core {

class Usage {
 public:
  // "check FILE", "says what is wrong with a configuration".
  Usage(const std::string& command, const std::string& what);

  boost::program_options::options_description_easy_init Options() { return options_.add_options(); }
  // Words without a dash in front that the command takes at most.
  void TakesWords(int count) { most_words_ = count; }

  // A text at the end of the help.
  void SetNotes(const std::string& notes) { notes_ = "\n" + notes; }

  // The exit code with which the command ends here: --help was asked for, or the words are wrong.
  std::optional<int> Read(const Words& words);
  // Says what is wrong and how it is right; 2.
  int Wrong(const std::string& what) const;

  bool Has(const std::string& option) const { return values_.count(option) != 0; }
  std::string Text(const std::string& option) const { return Has(option) ? values_[option].as<std::string>() : ""; }
  // Each value of an option that may be repeated.
  Words All(const std::string& option) const { return Has(option) ? values_[option].as<Words>() : Words(); }
  // Those without a dash.
  Words words() const { return All("words"); }

 private:
  std::string Help() const;

  const std::string command_;
  const std::string what_;
  std::string notes_;
  int most_words_ = 0;
  boost::program_options::options_description options_{"Options"};
  boost::program_options::variables_map values_;
};

}  // namespace sgw::core
