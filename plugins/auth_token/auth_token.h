// Token knows callers by bearer tokens whose hashes are in a file.
#pragma once

#include <sgw/delegation.h>
#include <sgw/plugin.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sgw::plugins {

struct TokenSettings {
  std::string path;
  std::vector<Delegation> delegation;

  static constexpr auto kSchema = Settings(
      Setting("path", &TokenSettings::path, "The file of tokens; `spark-gateway token add` writes it.", kRequired),
      Setting("delegation", &TokenSettings::delegation, kDelegationDoc));
};

// The file's content: SHA-256 of a token, in lower-case hexadecimal, to whom it belongs.
using TokenTable = std::map<std::string, Identity, std::less<>>;
// INVALID_ARGUMENT with the line at fault; nothing of a token is in it.
Result<TokenTable> ReadTokens(const std::string& text);

class Token : public Authenticator {
 public:
  static constexpr bool kIsRemembered = true;

  // Throws when the file cannot be read or has a mistake.
  Token(const TokenSettings& settings, Host& host);
  void Start(Completion<Status> done) override;
  AuthAnswer Authenticate(const AuthCall& call) override;
  std::string Describe() const override;

 private:
  Status Load();

  const std::string path_;
  const std::vector<Delegation> delegation_;
  Host& host_;
  const Counter unknown_;
  const Gauge tokens_;
  std::atomic<std::shared_ptr<const TokenTable>> table_;
  bool is_broken_ = false;  // control thread
  FileWatch watch_;
};

}  // namespace sgw::plugins
