#include <fcntl.h>
#include <sgw/json.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <iostream>

#include "core/app/usage.h"
#include "core/config/units.h"
#include "core/http2/crypto.h"

namespace sgw::core {
namespace {

std::string TimeText(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string Quoted(const std::string& text) { return "\"" + JsonEscape(text) + "\""; }

// The line of the token file for a new token.
std::string LineFor(const std::string& token, const std::string& subject, const Words& groups,
                    const std::string& expires) {
  std::string list;
  for (const std::string& group : groups) list += (list.empty() ? "" : ", ") + Quoted(group);
  return "- {sha256: " + Sha256Hex(token) + ", subject: " + Quoted(subject) + ", groups: [" + list + "]" + expires +
         "}\n";
}

// The reason for which the line is not there now; 0: it is.
int Append(const std::string& file, std::string line) {
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  // An editor may have left the last line without its end.
  char last = '\n';
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n') line.insert(0, "\n");
  const bool is_written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(fd) == 0;
  const int error = is_written ? 0 : errno;
  close(fd);
  return error;
}

}  // namespace

int TokenCommand(const Words& words) {
  Usage usage("token add --file FILE --subject NAME",
              "makes a bearer token for auth_token, prints it once and stores its hash");
  namespace po = boost::program_options;
  usage.Options()("file,f", po::value<std::string>(), "the token file; made when it is not there")(
      "subject", po::value<std::string>(), "whose token it is")("group", po::value<Words>(),
                                                                "a group of the subject; may be repeated")(
      "expires-in", po::value<std::string>(), "how long it is good, for example 90d; without it, until it is removed");
  usage.TakesWords(1);
  if (const auto code = usage.Read(words)) return *code;
  if (usage.words() != Words{"add"}) return usage.Wrong("there is only `token add`");
  const std::string file = usage.Text("file");
  const std::string subject = usage.Text("subject");
  if (file.empty() || subject.empty()) return usage.Wrong("it needs --file and --subject");
  std::string expires;
  if (usage.Has("expires-in")) {
    const auto duration = ParseDuration(usage.Text("expires-in"));
    if (!duration || *duration < std::chrono::seconds(1) || *duration > std::chrono::hours(24 * 3650)) {
      return usage.Wrong("--expires-in must be a duration such as 12h or 90d, from 1s to 3650d");
    }
    expires = ", expires: " + TimeText(std::chrono::system_clock::now() + *duration);
  }
  const std::string token = "sgw_" + RandomText(40);
  if (const int error = Append(file, LineFor(token, subject, usage.All("group"), expires)); error != 0) {
    std::cerr << "spark-gateway token: cannot write " << file << ": " << std::strerror(error) << "\n";
    return 1;
  }
  std::cout << token << "\n";
  return 0;
}

}  // namespace sgw::core
