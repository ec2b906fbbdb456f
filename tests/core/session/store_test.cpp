#include "core/session/store.h"

#include "core/session/binding.h"
#include "tests/core/session/sessions_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;

namespace {

struct Store {
  explicit Store(const std::string& path = "") : store(*BindingStore::Open(path, clock, metrics)) {}

  // Each gives what the store answers; "-" for nothing.
  std::string Bind(const std::string& key, const std::string& text, Duration ttl = 1min) {
    std::string said;
    store->BindIfAbsent(key, text, ttl, Hear(said));
    return said;
  }
  std::string LookUp(const std::string& key) {
    std::string said;
    store->LookUp(key, Hear(said));
    return said;
  }
  std::string Touch(const std::string& key, Duration ttl) {
    std::string said;
    store->Touch(key, ttl, Hear(said));
    return said;
  }
  std::string Remove(const std::string& key) {
    std::string said;
    store->Remove(key, Hear(said));
    return said;
  }
  static SessionStore::Done Hear(std::string& said) {
    return SessionStore::Done([&said](const Result<SessionStore::Binding>& holds) {
      said = !holds ? "failed" : *holds ? **holds : "-";
    });
  }

  ManualClock clock;
  MetricsRegistry metrics;
  std::unique_ptr<BindingStore> store;
};

}  // namespace

TEST_CASE("the first binding of a key holds until it is removed") {
  Store store;
  CHECK(store.LookUp("a") == "-");
  CHECK(store.Bind("a", "one") == "one");
  CHECK(store.Bind("a", "two") == "one");
  CHECK(store.LookUp("a") == "one");
  CHECK(store.Remove("a") == "one");
  CHECK(store.Remove("a") == "-");
  CHECK(store.Bind("a", "two") == "two");
}

TEST_CASE("a binding ends by its ttl after the last bind or touch") {
  Store store;
  store.Bind("a", "one", 1min);
  store.clock.Advance(50s);
  CHECK(store.Touch("a", 1min) == "one");
  store.clock.Advance(50s);
  CHECK(store.LookUp("a") == "one");
  store.clock.Advance(10s);
  CHECK(store.LookUp("a") == "-");
  CHECK(store.Touch("a", 1min) == "-");
  CHECK(store.Bind("a", "two") == "two");
}

TEST_CASE("a sweep forgets what has ended, on disk too") {
  TempDir dir;
  {
    Store store(dir.path());
    store.Bind("a", "one", 1min);
    store.Bind("b", "two", 1h);
    store.clock.Advance(2min);
    store.store->Sweep();
  }
  Store again(dir.path());
  CHECK(again.LookUp("a") == "-");
  CHECK(again.LookUp("b") == "two");
}

TEST_CASE("a binding and a tombstone read as they were written") {
  const Binding binding{.id = "id",
                        .session_id = kS1,
                        .realm = "okta",
                        .subject = std::string("a\0\"b", 4),
                        .user_name = "Alice",
                        .groups = {"x", "y"},
                        .route = {.namespace_ = "ns",
                                  .team = "t",
                                  .environment = "e",
                                  .service_class = "c",
                                  .labels = {{"l", "1"}},
                                  .attributes = {{"size", "m"}},
                                  .made_from = {"x-team"}},
                        .routing_headers = {{"x-team", "a"}, {"x-team", "b"}},
                        .sharing_key = std::string("k\0k", 3),
                        .address = "a:1",
                        .incarnation = "i",
                        .tls = Tls::kOff,
                        .server_name = "driver.acme.com",
                        .has_credentials = true,
                        .lease_id = "lease",
                        .source = "pool1",
                        .created = WallTime(123456789us)};
  const auto read = ReadBinding(TextOf(binding));
  REQUIRE(read);
  CHECK(std::get<Binding>(*read) == binding);
  const Tombstone tombstone{Internal("[INVALID_HANDLE.SESSION_CLOSED] over")};
  CHECK(std::get<Tombstone>(*ReadBinding(TextOf(tombstone))) == tombstone);
  for (const char* junk : {"", "{", "{}", "[]", "{\"session_id\":\"x\"}", "{\"ended\":99}"})
    CHECK_FALSE(ReadBinding(junk));
}
