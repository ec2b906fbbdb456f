// Attacks on the stamp, judged by protobuf's own parser: whatever is let through has to be read as the verified user in
// the verified session, and of what is refused no whole message may have gone out.
#include <doctest/doctest.h>
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "core/connect/stamper.h"
#include "spark_connect/base.pb.h"
#include "tests/core/connect/wire.h"

namespace sgw::core {
namespace {

// With SGW_CORPUS, what gets through is written to that file for other parsers to judge: four bytes of length, the
// message.
void Keep(std::string_view message) {
  static const char* const path = std::getenv("SGW_CORPUS");
  if (!path) return;
  static std::ofstream corpus(path, std::ios::binary);
  corpus << Framed(message).substr(1);
}

struct Tally {
  int passed = 0;    // read by the driver, as the verified user
  int refused = 0;   // by the gateway
  int unparsed = 0;  // passed, but no driver can read it
};

template <typename Request>
void Judge(const std::string& message) {
  Request parsed;
  if (!parsed.ParseFromString(message)) return;
  CHECK(parsed.session_id() == kSession);
  CHECK(parsed.user_context().user_id() == "ann");
  CHECK(parsed.user_context().user_name() == "Ann");
}

// Sends the message between two good ones, in pieces of that size.
void Attack(const std::string& message, std::size_t piece_size, Tally& tally) {
  CAPTURE(message);
  const std::string good = Framed(Text(1, kSession) + Text(3, "plan"));
  Stamped driver(kStamp);
  const Status status = driver.Send(good + Framed(message) + good, piece_size);
  const Messages got = Unframed(driver.sent);
  for (const std::string& each : got.messages) {
    Judge<spark::connect::ExecutePlanRequest>(each);
    Judge<spark::connect::AnalyzePlanRequest>(each);
    Judge<spark::connect::AddArtifactsRequest>(each);
    Judge<spark::connect::ReleaseSessionRequest>(each);
  }
  if (status.ok()) {
    CHECK(got.is_whole);
    REQUIRE(got.messages.size() == 3);
    CHECK(got.messages[1] == message + kStamp);
    Keep(got.messages[1]);
    spark::connect::ExecutePlanRequest parsed;
    ++(parsed.ParseFromString(got.messages[1]) ? tally.passed : tally.unparsed);
  } else {
    CHECK(got.messages.size() == 1);
    ++tally.refused;
  }
}

Tally Attacked(const std::string& message) {
  Tally tally;
  for (const std::size_t size : {std::string::npos, std::size_t{1}, std::size_t{5}, std::size_t{11}}) {
    Attack(message, size, tally);
  }
  return tally;
}

const std::string kVictim = Text(1, kSession) + Text(2, Text(1, "victim") + Text(2, "Victim"));

TEST_SUITE_BEGIN("attacks on the stamp");

TEST_CASE("protobuf alone would take the victim's name from an appended stamp") {
  // That the attack works is what makes the tests below worth something.
  const std::string attack = kVictim + Tag(900, 2) + Varint(kStamp.size());
  spark::connect::ExecutePlanRequest parsed;
  REQUIRE(parsed.ParseFromString(attack + kStamp));
  CHECK(parsed.user_context().user_id() == "victim");
  Keep(attack + kStamp);
}

TEST_CASE("a message that ends in a field for the stamp to vanish in is refused") {
  for (const std::uint64_t number : {2, 3, 4, 5, 6, 7, 8, 18, 900, 999, 536870911}) {
    for (std::size_t missing = 1; missing <= kStamp.size() + 3; ++missing) {
      CHECK(Attacked(kVictim + Tag(number, 2) + Varint(missing)).refused == 4);
      CHECK(Attacked(kVictim + Tag(number, 2) + Varint(missing + 3) + "abc").refused == 4);
      CHECK(Attacked(kVictim + Tag(number, 2) + Varint(missing, 5)).refused == 4);
    }
  }
  CHECK(Attacked(kVictim + Tag(900, 1) + "1234").refused == 4);
  CHECK(Attacked(kVictim + Tag(900, 5)).refused == 4);
  CHECK(Attacked(kVictim + Tag(900, 0) + "\x80\x80").refused == 4);
  CHECK(Attacked(kVictim + "\x80\x80").refused == 4);
}

TEST_CASE("groups cannot swallow the stamp") {
  CHECK(Attacked(kVictim + Tag(900, 3)).refused == 4);
  CHECK(Attacked(kVictim + Tag(900, 4)).refused == 4);
  CHECK(Attacked(kVictim + Tag(900, 3) + Tag(900, 4)).refused == 4);
  CHECK(Attacked(kVictim + Tag(2, 3)).refused == 4);
}

TEST_CASE("numbers that parsers cut differently cannot hide a length") {
  CHECK(Attacked(kVictim + Tag(900, 2) + Varint((std::uint64_t{1} << 32) + kStamp.size())).refused == 4);
  CHECK(Attacked(kVictim + Tag(900, 2) + Varint(kStamp.size(), 11)).refused == 4);
  CHECK(Attacked(kVictim + Tag(900, 2) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").refused == 4);
  CHECK(Attacked(kVictim + "\x92\x80\x80\x80\x10" + Varint(kStamp.size())).refused == 4);
  CHECK(Attacked(kVictim + std::string("\0", 1)).refused == 4);
}

TEST_CASE("identity cannot come back behind what is legal") {
  CHECK(Attacked(kVictim).passed == 4);
  CHECK(Attacked(kVictim + kVictim).passed == 4);
  CHECK(Attacked(kVictim + Varint(900 << 3 | 2, 5) + Varint(3, 5) + "abc").passed == 4);
  CHECK(Attacked(Text(2, Text(1, "victim") + Text(999, Text(1, "x")))).passed == 4);
  CHECK(Attacked("").passed == 4);
  CHECK(Attacked(kVictim + Number(2, 1)).refused == 4);
  CHECK(Attacked(Number(1, 1)).refused == 4);
  // A user_context that is cut inside: no parser takes the message.
  CHECK(Attacked(Text(1, kSession) + Text(2, Text(1, "victim") + Tag(5, 2) + Varint(kStamp.size()))).unparsed == 4);
}

// Random messages of parts that are mostly legal, then bent: bytes changed, cut off, doubled.
class Forger {
 public:
  explicit Forger(unsigned seed) : random_(seed) {}

  std::string Message() {
    std::string message = Below(3) ? kVictim : "";
    for (int fields = Below(6); fields > 0; --fields) message += Field(0);
    for (int bends = Below(3); bends > 0 && !message.empty(); --bends) Bend(message);
    return message;
  }
  std::size_t PieceSize() { return 1 + Below(40); }

 private:
  int Below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  std::uint64_t FieldNumber() {
    static constexpr std::uint64_t kNumbers[] = {1, 2, 3, 4, 5, 6, 7, 8, 17, 900, 999, 536870911, 536870912};
    return kNumbers[Below(13)];
  }
  std::string Field(int depth) {
    const std::uint64_t number = FieldNumber();
    const std::size_t padding = Below(4) ? 1 : 1 + Below(6);
    switch (Below(9)) {
      case 0: return Varint(number << 3, padding) + Varint(random_(), 1 + Below(11));
      case 1: return Varint(number << 3 | 1, padding) + std::string(8, 'f');
      case 2: return Varint(number << 3 | 5, padding) + std::string(4, 'f');
      case 3: return Varint(number << 3 | (3 + Below(2)), padding);
      case 4: return Varint(number << 3 | 2, padding) + Varint(kStamp.size() + Below(3), padding);
      case 5: return kVictim;
      default: break;
    }
    std::string payload = depth < 2 && Below(2) ? Field(depth + 1) + Field(depth + 1) : std::string(Below(50), 'v');
    return Varint(number << 3 | 2, padding) + Varint(payload.size(), padding) + payload;
  }
  void Bend(std::string& message) {
    const auto at = static_cast<std::size_t>(Below(static_cast<int>(message.size())));
    switch (Below(4)) {
      case 0: message[at] = static_cast<char>(random_()); break;
      case 1: message.resize(at); break;
      case 2: message.insert(at, message.substr(at, 9)); break;
      default: message.erase(at, 1); break;
    }
  }

  std::mt19937 random_;
};

TEST_CASE("no forged message reaches a driver under another name") {
  const google::protobuf::LogSilencer silencer;  // many forged strings are no UTF-8
  Forger forger(20'261'124);
  Tally tally;
  for (int i = 0; i < 60'000; ++i) Attack(forger.Message(), forger.PieceSize(), tally);
  // The forger has to hit both sides of the border.
  CHECK(tally.passed > 5'000);
  CHECK(tally.refused > 5'000);
  CHECK(tally.unparsed > 100);
}

TEST_SUITE_END();

}  // namespace
}  // namespace sgw::core
