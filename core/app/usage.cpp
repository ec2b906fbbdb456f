#include "core/app/usage.h"

#include <iostream>
#include <sstream>

namespace sgw::core {

namespace po = boost::program_options;

Usage::Usage(const std::string& command, const std::string& what) : command_(command), what_(what) {
  Options()("help,h", "say this")("version", "say which spark-gateway this is");
}

std::optional<int> Usage::Read(const Words& words) {
  // Not shown: they stand in the first line.
  po::options_description all;
  all.add(options_).add_options()("words", po::value<Words>());
  po::positional_options_description positional;
  positional.add("words", -1);
  try {
    po::store(po::command_line_parser(words).options(all).positional(positional).run(), values_);
  } catch (const po::error& error) {
    return Wrong(error.what());
  }
  if (Has("help")) {
    std::cout << Help();
    return 0;
  }
  if (Has("version")) {
    std::cout << "spark-gateway " << SGW_VERSION << "\n";
    return 0;
  }
  if (this->words().size() > static_cast<std::size_t>(most_words_)) {
    return Wrong("what is '" + this->words()[static_cast<std::size_t>(most_words_)] + "'?");
  }
  return std::nullopt;
}

int Usage::Wrong(const std::string& what) const {
  std::cerr << "spark-gateway " << command_.substr(0, command_.find(' ')) << ": " << what << "\n\n" << Help();
  return 2;
}

std::string Usage::Help() const {
  std::ostringstream help;
  help << "spark-gateway " << command_ << ": " << what_ << ".\n\n" << options_ << notes_;
  return help.str();
}

}  // namespace sgw::core
