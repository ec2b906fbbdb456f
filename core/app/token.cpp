#include <fcntl.h>
#include <sgw/json.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "core/app/usage.h"
#include "core/config/files.h"
#include "core/config/token_file.h"
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

// Not so with a byte that is no UTF-8: what stands in its place would be somebody else's name.
bool IsKept(const std::string& text) {
  const auto read = Json::Parse(Quoted(text));
  return read && read->as_string() && *read->as_string() == text;
}

// The line of the token file for a new token.
std::string LineFor(const std::string& token, const std::string& subject, const Words& groups,
                    const std::string& expires) {
  std::string list;
  for (const std::string& group : groups) list += (list.empty() ? "" : ", ") + Quoted(group);
  return "- {sha256: " + Sha256Hex(token) + ", subject: " + Quoted(subject) + ", groups: [" + list + "]" + expires +
         "}\n";
}

// A file that nobody else who locks it has, made where there is none.
class LockedFile {
 public:
  explicit LockedFile(const std::string& file) : problem_(Lock(file)) {
    std::error_code error;
    path_ = std::filesystem::canonical(file, error).string();
    if (problem_.empty() && error) problem_ = error.message();
  }
  ~LockedFile() { Close(); }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;

  // Why there is no such file; empty: there is.
  const std::string& problem() const { return problem_; }
  // Behind all symlinks.
  const std::string& path() const { return path_; }

 private:
  std::string Lock(const std::string& file) {
    struct stat own {};
    struct stat named {};
    // Who had it before us may have put another file in its place.
    do {
      Close();
      fd_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
      if (fd_ < 0 || fstat(fd_, &own) != 0) return std::strerror(errno);
      if (!S_ISREG(own.st_mode)) return "it is not a regular file";
      if (flock(fd_, LOCK_EX) != 0) return std::strerror(errno);
    } while (stat(file.c_str(), &named) != 0 || named.st_dev != own.st_dev || named.st_ino != own.st_ino);
    return "";
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  int fd_ = -1;
  std::string path_;
  std::string problem_;
};

// Puts the line at the end of the token file; the exit code, when all is said.
int Add(const std::string& file, const std::string& line) {
  const LockedFile locked(file);
  const auto failed = [&file](const std::string& why) {
    std::cerr << "spark-gateway token: cannot write " << file << ": " << why << "\n";
    return 1;
  };
  if (!locked.problem().empty()) return failed(locked.problem());
  std::string problem = "it has more than " + FormatSize(kMaxTokenFileBytes);
  auto text = ReadSmallFile(locked.path(), kMaxTokenFileBytes, problem);
  if (!text) return failed(problem);
  Complaints complaints(file);
  const std::size_t count = CheckTokens(*text, complaints);
  if (!complaints.has_errors()) {
    // An editor may have left the last line without its end.
    if (!text->empty() && text->back() != '\n') *text += '\n';
    const auto last = static_cast<int>(std::count(text->begin(), text->end(), '\n')) + 1;
    *text += line;
    Complaints after(file);
    if (CheckTokens(*text, after) != count + 1 || after.has_errors()) {
      complaints.Error({last, 1},
                       "a line `- {sha256: ..., subject: ...}` cannot stand here; "
                       "write the list as such lines, without brackets around them or blanks before");
    }
  }
  std::cerr << complaints.Text();
  if (complaints.has_errors()) return 2;
  problem = ReplaceFile(locked.path(), *text);
  return problem.empty() ? 0 : failed(problem);
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
  const Words groups = usage.All("group");
  if (!IsKept(subject) || !std::all_of(groups.begin(), groups.end(), IsKept))
    return usage.Wrong("--subject and --group must be text in UTF-8");
  if (const int code = Add(file, LineFor(token, subject, groups, expires)); code != 0) return code;
  std::cout << token << "\n";
  return 0;
}

}  // namespace sgw::core
