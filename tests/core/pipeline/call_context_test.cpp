#include "core/pipeline/call_context.h"

#include <doctest/doctest.h>

#include <set>

using namespace sgw;
using namespace sgw::core;

TEST_CASE("call ids are six hex digits, and a hundred thousand of them differ") {
  std::set<std::string> seen;
  for (int i = 0; i < 100'000; ++i) {
    const std::string id = NewCallId();
    REQUIRE(id.size() == 6);
    REQUIRE(id.find_first_not_of("0123456789abcdef") == std::string::npos);
    seen.insert(id);
  }
  CHECK(seen.size() == 100'000);
}

TEST_CASE("a trace context of the W3C form is kept, anything else is replaced by a new one") {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  CHECK(TraceParent(good) == good);
  for (const std::string bad : {"", "00-XX", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0G",
                                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"}) {
    const std::string made = TraceParent(bad);
    CHECK(made != bad);
    CHECK(TraceParent(made) == made);
  }
}

TEST_CASE("the stamped user id is the subject, and with several auth steps its realm too") {
  CHECK(StampedUserId({.subject = "alice@acme.com"}) == "alice@acme.com");
  CHECK(StampedUserId({.subject = "alice", .realm = "okta"}) == "okta:alice");
}

TEST_CASE("two identities never have the same stamped user id, and none has a comma or a control character") {
  const std::vector<Identity> all = {{.subject = "a,b"},
                                     {.subject = "a%2Cb"},
                                     {.subject = "a%252Cb"},
                                     {.subject = "a\x01"},
                                     {.subject = "a\x02"},
                                     {.subject = "a%01"},
                                     {.subject = "a\x7F"},
                                     {.subject = std::string("a\0", 2)},
                                     {.subject = "a"},
                                     {.subject = "A"},
                                     {.subject = "a%"},
                                     {.subject = "b:c", .realm = "a"},
                                     {.subject = "c", .realm = "a:b"},
                                     {.subject = "c", .realm = "a%3Ab"}};
  std::set<std::string> ids;
  for (const Identity& identity : all) {
    const std::string id = StampedUserId(identity);
    ids.insert(id);
    for (const char c : id) CHECK((c != ',' && static_cast<unsigned char>(c) >= 0x20 && c != 0x7F));
  }
  CHECK(ids.size() == all.size());
}

TEST_CASE("an as-claimed identity takes the client's word, then its default, then refuses") {
  const auto nobody = std::make_shared<const Identity>(Identity{.is_as_claimed = true});
  auto claimed = nobody;
  CHECK(FillClaim(claimed, "").code() == StatusCode::kUnauthenticated);
  CHECK(FillClaim(claimed, "ACME\\bob").ok());
  CHECK(claimed->subject == "ACME\\bob");
  CHECK_FALSE(claimed->is_as_claimed);
  // Other calls of the connection have it, too.
  CHECK(nobody->subject.empty());

  auto with_default = std::make_shared<const Identity>(Identity{.subject = "nobody", .is_as_claimed = true});
  CHECK(FillClaim(with_default, "").ok());
  CHECK(with_default->subject == "nobody");

  auto verified = std::make_shared<const Identity>(Identity{.subject = "alice"});
  CHECK(FillClaim(verified, "mallory").ok());
  CHECK(verified->subject == "alice");
}

TEST_CASE("a claim that is too long or no text is refused, not cut") {
  for (const std::string& claim :
       {std::string(257, 'a'), std::string("a\nb"), std::string("a\xff"), std::string("\0a", 2)}) {
    auto claimed = std::make_shared<const Identity>(Identity{.is_as_claimed = true});
    CHECK(FillClaim(claimed, claim).code() == StatusCode::kInvalidArgument);
    CHECK(claimed->subject.empty());
  }
}
