#include "core/config/token_file.h"

#include <doctest/doctest.h>

namespace sgw::core {
namespace {

const std::string kHash(64, 'a');
const std::string kOther(64, 'b');

// The complaints; "N tokens" when there are none.
std::string Said(const std::string& text) {
  Complaints complaints("tokens.yaml");
  const std::size_t count = CheckTokens(text, complaints);
  return complaints.has_errors() ? complaints.Text() : std::to_string(count) + " tokens";
}

TEST_CASE("a token file is a list of entries, or has none") {
  CHECK(Said("") == "0 tokens");
  CHECK(Said("# none yet\n---\n") == "0 tokens");
  CHECK(Said("- {sha256: " + kHash +
             ", subject: alice, user_name: Alice Doe, groups: [ads], expires: "
             "2027-01-31T00:00:00Z}\n- sha256: " +
             kOther + "\n  subject: ${env:LITERAL}\n") == "2 tokens");
}

TEST_CASE("what is no token file is said with its place, and nothing that may be a secret") {
  const std::string list = "a token file is a list of `- {sha256: ..., subject: ...}`, and this is none\n";
  CHECK(Said("listeners: []\n") == "tokens.yaml:1:1: " + list);
  CHECK(Said("\n\nhunter2\n") == "tokens.yaml:3:1: " + list);
  CHECK(Said("- {sha256: " + kHash + ", subject: a}\n---\n- {sha256: " + kOther + ", subject: b}\n") ==
        "tokens.yaml:2:1: here begins a second document; the file may have one\n");
  CHECK(Said(std::string("\x7F"
                         "ELF"))
            .starts_with("tokens.yaml:1:1: a control character"));
  CHECK(Said("- {sha256: hunter2, subject: a}\n") ==
        "tokens.yaml:1:12: [0].sha256 must be the SHA-256 of a token, 64 lower-case hexadecimal digits\n");
  CHECK(Said("- {sha256: " + kHash + ", subject: a}\n- {sha256: " + kHash + ", subject: b}\n") ==
        "tokens.yaml:2:12: [1]: the token stands here a second time\n");
}

TEST_CASE("every mistake of an entry is said in one go") {
  CHECK(Said("- {subject: [], group: ads, user_name: [], groups: ads, expires: soon}\n- ~\n- sgw_hunter2\n") ==
        "tokens.yaml:1:3: [0].sha256 must be the SHA-256 of a token, 64 lower-case hexadecimal digits\n"
        "tokens.yaml:1:13: [0].subject must be a name\n"
        "tokens.yaml:1:17: [0] has no key 'group' (did you mean 'groups'?)\n"
        "tokens.yaml:1:40: [0].user_name must be a text, not an empty list\n"
        "tokens.yaml:1:52: [0].groups must be a list of texts, not 'ads'\n"
        "tokens.yaml:1:66: [0].expires must be a time such as 2027-01-31T00:00:00Z, not 'soon'\n"

        "tokens.yaml:2:3: [1] must be {sha256: ..., subject: ...}\n"
        "tokens.yaml:3:3: [2] must be {sha256: ..., subject: ...}\n");
}

}  // namespace
}  // namespace sgw::core
