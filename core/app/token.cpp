#include <fcntl.h>
#include <sgw/json.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <iostream>

#include "core/app/commands.h"
#include "core/config/units.h"
#include "core/http2/crypto.h"

namespace sgw::core {
namespace {

namespace po = boost::program_options;

std::string TimeText(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string Quoted(const std::string& text) { return "\"" + JsonEscape(text) + "\""; }

}  // namespace

int TokenCommand(const Words& words) {
  po::options_description options(
      "spark-gateway token add: makes a bearer token for auth_token, prints it once and stores its hash.\n\nOptions");
  options.add_options()("help,h", "say this")("file,f", po::value<std::string>(),
                                              "the token file; made when it is not there")(
      "subject", po::value<std::string>(), "whose token it is")("group", po::value<Words>(),
                                                                "a group of the subject; may be repeated")(
      "expires-in", po::value<std::string>(), "how long it is good, for example 90d; without it, until it is removed")(
      "words", po::value<Words>(), "add");
  po::positional_options_description positional;
  positional.add("words", -1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(words).options(options).positional(positional).run(), values);
  } catch (const po::error& error) {
    std::cerr << "spark-gateway token: " << error.what() << "\n" << options;
    return 2;
  }
  if (values.count("help")) {
    std::cout << options;
    return 0;
  }
  const Words rest = values.count("words") ? values["words"].as<Words>() : Words();
  if (rest != Words{"add"} || !values.count("file") || !values.count("subject")) {
    std::cerr << "spark-gateway token: write `token add --file FILE --subject NAME`\n" << options;
    return 2;
  }
  std::string expires;
  if (values.count("expires-in")) {
    const auto duration = ParseDuration(values["expires-in"].as<std::string>());
    if (!duration) {
      std::cerr << "spark-gateway token: --expires-in must be a duration such as 12h or 90d\n";
      return 2;
    }
    expires = ", expires: " + TimeText(std::chrono::system_clock::now() + *duration);
  }
  const std::string token = "sgw_" + RandomText(40);
  std::string groups;
  if (values.count("group")) {
    for (const std::string& group : values["group"].as<Words>()) groups += (groups.empty() ? "" : ", ") + Quoted(group);
  }
  std::string line = "- {sha256: " + Sha256Hex(token) + ", subject: " + Quoted(values["subject"].as<std::string>()) +
                     ", groups: [" + groups + "]" + expires + "}\n";
  const std::string file = values["file"].as<std::string>();
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  // An editor may have left the last line without its end.
  char last = '\n';
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n') line.insert(0, "\n");
  const bool is_written =
      fd >= 0 && write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!is_written) {
    std::cerr << "spark-gateway token: cannot write " << file << ": " << std::strerror(error) << "\n";
    return 1;
  }
  std::cout << token << "\n";
  return 0;
}

}  // namespace sgw::core
