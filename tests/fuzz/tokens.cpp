// The token file of auth_token, and what `token add` lets pass for one.
#include "core/config/token_file.h"
#include "plugins/auth_token/auth_token.h"
#include "tests/fuzz/input.h"

namespace sgw::plugins {
namespace {

using fuzz::Require;

void Check(const std::string& text) {
  const auto table = ReadTokens(text);
  core::Complaints complaints("tokens.yaml");
  const std::size_t count = core::CheckTokens(text, complaints);
  Require(complaints.has_errors() || (table && table->size() == count),
          "a line is added to a file that is read as it is");
  if (!table) {
    const std::string why = table.status().message();
    Require(table.status().code() == StatusCode::kInvalidArgument && why.starts_with("line "),
            "a mistake has its line");
    return;
  }
  for (const auto& [hash, identity] : *table) {
    Require(hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string::npos, "a key is a hash");
    Require(!identity.subject.empty(), "a token belongs to somebody");
    Require(identity.claims.empty() && identity.headers == HeaderEdits{} && identity.realm.empty(),
            "a file of tokens says no more than who");
  }
}

}  // namespace
}  // namespace sgw::plugins

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::plugins::Check(std::string(sgw::fuzz::Input(data, size).Rest()));
  return 0;
}
