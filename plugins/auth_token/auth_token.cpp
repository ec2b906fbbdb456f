#include "auth_token.h"

#include <openssl/evp.h>
#include <sgw/wall_time.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

namespace sgw::plugins {
namespace {

constexpr std::size_t kMaxFile = 16 << 20;
constexpr std::size_t kMaxToken = 8 * 1024;

std::string Sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += {kHex[digest[i] >> 4], kHex[digest[i] & 15]};
  return hex;
}

std::optional<WallTime> TimeOf(const std::string& text) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (!end || *end != '\0') return std::nullopt;
  return WallTimeAt(timegm(&parts));
}

// Hears a document and keeps nothing.
struct Deaf : YAML::EventHandler {
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// Not by YAML::LoadAll: before a ',' at the start of a line it sees documents without end.
bool HasMoreThanOneDocument(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Deaf deaf;
  parser.HandleNextDocument(deaf);
  return static_cast<bool>(parser);
}

Status Wrong(const YAML::Node& node, const std::string& why) {
  return InvalidArgument("line " + std::to_string(node.Mark().line + 1) + ": " + why);
}

}  // namespace

Result<TokenTable> ReadTokens(const std::string& text) {
  TokenTable table;
  try {
    const YAML::Node root = YAML::Load(text);
    if (HasMoreThanOneDocument(text)) return InvalidArgument("line 1: the file has more than one document");
    if (root.IsNull()) return table;
    if (!root.IsSequence()) return Wrong(root, "the file is a list of `- {sha256: ..., subject: ...}`");
    for (const YAML::Node& one : root) {
      if (!one.IsMap()) return Wrong(one, "an entry is {sha256: ..., subject: ..., groups: [...], expires: ...}");
      Identity identity;
      std::string hash;
      std::set<std::string> seen;
      for (const auto& member : one) {
        const auto key = member.first.as<std::string>();
        if (!seen.insert(key).second) return Wrong(member.first, "'" + key + "' stands here a second time");
        if (key == "sha256") {
          hash = member.second.as<std::string>();
        } else if (key == "subject") {
          identity.subject = member.second.as<std::string>();
        } else if (key == "user_name") {
          identity.user_name = member.second.as<std::string>();
        } else if (key == "groups") {
          identity.groups = member.second.as<std::vector<std::string>>();
        } else if (key == "expires") {
          identity.expiry = TimeOf(member.second.as<std::string>());
          if (!identity.expiry) return Wrong(member.second, "expires must be a time such as 2027-01-31T00:00:00Z");
        } else {
          return Wrong(member.first,
                       "there is no '" + key + "'; an entry has sha256, subject, user_name, groups, expires");
        }
      }
      if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
        return Wrong(one, "sha256 must be 64 lower-case hexadecimal digits");
      }
      if (identity.subject.empty()) return Wrong(one, "an entry needs a subject");
      if (!table.emplace(hash, std::move(identity)).second) return Wrong(one, "the token stands here a second time");
    }
  } catch (const YAML::Exception& error) {
    return InvalidArgument("line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
  return table;
}

Token::Token(const TokenSettings& settings, Host& host)
    : path_(host.Path(settings.path)),
      delegation_(settings.delegation),
      host_(host),
      unknown_(host.MakeCounter("spark_gateway_auth_token_unknown_total",
                                "Bearer tokens that were not known or had expired.")),
      tokens_(host.MakeGauge("spark_gateway_auth_token_tokens", "Tokens in the file.")),
      table_(std::make_shared<const TokenTable>()) {
  if (const Status status = Load(); !status.ok()) throw std::runtime_error("path: " + status.message());
}

Status Token::Load() {
  std::ifstream file(path_, std::ios::binary);
  file.peek();  // A folder can be opened.
  if (!file.is_open() || file.bad()) return FailedPrecondition("cannot read " + path_ + ": " + std::strerror(errno));
  std::stringstream content;
  content << file.rdbuf();
  if (content.str().size() > kMaxFile) return FailedPrecondition(path_ + " has more than 16 MiB");
  auto table = ReadTokens(content.str());
  if (!table) return FailedPrecondition(path_ + ": " + table.status().message());
  tokens_.Set(static_cast<double>(table->size()));
  table_ = std::make_shared<const TokenTable>(*std::move(table));
  return {};
}

void Token::Start(Completion<Status> done) {
  watch_ = host_.WatchFile(path_, [this] {
    const Status status = Load();
    // The last good tokens stay; one line per change of state.
    if (!status.ok() && !is_broken_) host_.Error(status.message() + "; the tokens that were read before stay good");
    if (status.ok()) host_.Info("read " + std::to_string(table_.load()->size()) + " tokens");
    is_broken_ = !status.ok();
    if (status.ok()) host_.ForgetIdentities();
  });
  // It may have changed since the instance was made, and nobody watched.
  done(Load());
}

AuthAnswer Token::Authenticate(const AuthCall& call) {
  const auto token = call.bearer();
  if (!token) return Next{};
  const auto table = table_.load();
  const auto found = token->size() > kMaxToken ? table->end() : table->find(Sha256(*token));
  if (found == table->end()) {
    // Another step may know it; when none does, the caller hears so from the core.
    unknown_.Add();
    return Next{};
  }
  if (found->second.expiry && *found->second.expiry <= host_.WallNow()) {
    unknown_.Add();
    return Unauthenticated("Your token has expired. Ask for a new one, and put it into the URL: ;token=<token>");
  }
  return Acting(delegation_, call).Apply(found->second);
}

std::string Token::Describe() const {
  JsonWriter json;
  json.BeginObject().Member("tokens", table_.load()->size()).EndObject();
  return std::move(json).Text();
}

}  // namespace sgw::plugins
