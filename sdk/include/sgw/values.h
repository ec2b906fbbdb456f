// The values that plugins say and are told: who calls, where a call belongs, which server answers it.
//
// All are plain structs to be written with designated initialisers; a member that is left out has the meaning that
// stands beside it.
#pragma once

#include <sgw/status.h>
#include <sgw/views.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

using MonotonicTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Text that must not be seen: a token, a password. It is never printed; Reveal() is the one way to the text, so that
// each use can be found.
class Secret {
 public:
  constexpr Secret() = default;
  constexpr explicit Secret(std::string text) : text_(std::move(text)) {}

  constexpr const std::string& Reveal() const { return text_; }
  constexpr bool empty() const { return text_.empty(); }

  friend bool operator==(const Secret&, const Secret&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "<secret>"; }

 private:
  std::string text_;
};

// A size in bytes; as a setting it is written "64KiB" or "1MiB".
struct Bytes {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(Bytes, Bytes) = default;
};
constexpr Bytes operator""_B(unsigned long long n) { return {static_cast<std::int64_t>(n)}; }
constexpr Bytes operator""_KiB(unsigned long long n) { return {static_cast<std::int64_t>(n << 10)}; }
constexpr Bytes operator""_MiB(unsigned long long n) { return {static_cast<std::int64_t>(n << 20)}; }
constexpr Bytes operator""_GiB(unsigned long long n) { return {static_cast<std::int64_t>(n << 30)}; }

// A map setting: names in the order of the configuration, each once.
template <typename T>
using Table = std::vector<std::pair<std::string, T>>;

// Request headers to change on the way to the driver. Names in lower case. A removal also takes what the client sent.
struct HeaderEdits {
  std::vector<std::string> remove{};
  StringMap set{};
  friend bool operator==(const HeaderEdits&, const HeaderEdits&) = default;
};

// Who calls. `subject` is what sessions and limits are kept by and is never empty; within the realm it is unique.
struct Identity {
  std::string subject{};
  std::string user_name{};  // for people and for Spark's user interface; empty: the subject
  std::vector<std::string> groups{};
  StringMap claims{};                // further facts for routers and audits; never secrets
  std::optional<WallTime> expiry{};  // the host asks again from then on
  HeaderEdits headers{};
  std::string actor{};                   // who really called, when somebody acts for the subject, whose name they chose
  std::vector<std::string> made_from{};  // request headers besides the credential that decided; they do not reach the
                                         // driver, and the host asks again when their values change
  std::string realm{};                   // filled by the host
  bool is_as_claimed = false;            // filled by the host: the client's word was taken, see AsClaimed
  friend bool operator==(const Identity&, const Identity&) = default;
};

// Takes the client's word: the subject is the user_id that its messages claim, `default_subject` when that is empty;
// the call is refused when both are.
struct AsClaimed {
  std::string default_subject{};
  friend bool operator==(const AsClaimed&, const AsClaimed&) = default;
};

// A credential whose time is over, of a subject that may go on all the same: good for the sessions that it has already.
// Every other call is refused with `refusal`.
struct Lapsed {
  Identity identity{};
  Status refusal{};
};

// Not mine: the next step of this kind decides.
struct Next {
  friend bool operator==(Next, Next) = default;
};

// The answer comes later, through the Completion that Defer() gave beside this value.
struct Pending {
  friend bool operator==(Pending, Pending) = default;
};

// How the sessions of a Route share servers.
enum class Share : std::uint8_t { kSession = 1, kUser = 2, kTeam = 3 };

// A limit that several subjects share: all calls whose Routes carry a limit of this name count together.
struct Limit {
  std::string name{};  // as the refused caller reads it: "team ads"; at most 256 bytes
  std::optional<std::int64_t> max_sessions{};
  std::optional<std::int64_t> max_operations{};  // running at once
  std::optional<std::int64_t> calls_per_second{};
  std::optional<std::int64_t> burst{};  // calls that may come at once; else calls_per_second
  friend bool operator==(const Limit&, const Limit&) = default;
};

// How the servers of one Route are used. What is not set has the configuration's value.
struct Policy {
  std::optional<Share> share{};
  std::optional<Duration> idle_timeout{};
  std::optional<Duration> max_age{};
  std::optional<std::int64_t> max_sessions{};      // per subject
  std::optional<std::int64_t> max_operations{};    // running at once, per subject
  std::optional<std::int64_t> calls_per_second{};  // per subject
  std::optional<std::int64_t> burst{};             // calls that may come at once; else calls_per_second
  std::vector<Limit> limits{};                     // shared ones; at most 16
  friend bool operator==(const Policy&, const Policy&) = default;
};

// Where a call belongs.
struct Route {
  std::string namespace_{};              // "sjns-ads-prod"; empty when no router is configured
  std::string team{};                    // for records and metrics
  std::string environment{};             // for records and metrics
  std::string service_class{};           // a pool may keep several kinds of servers; empty is the usual one
  StringMap labels{};                    // for records; bounded sets of values only
  StringMap attributes{};                // what a pool makes servers from: size, Spark version
  std::vector<std::string> made_from{};  // request headers that this Route was made from; they do not reach the driver
  Policy policy{};
  HeaderEdits headers{};

  // The attribute's value, or `otherwise`.
  std::string attribute(std::string_view name, std::string_view otherwise = {}) const {
    const std::string* found = Find(attributes, name);
    return found ? *found : std::string(otherwise);
  }
  friend bool operator==(const Route&, const Route&) = default;
};

// How the host speaks to a server.
enum class Tls : std::uint8_t {
  kConfigured = SGW_TLS_CONFIGURED,  // as the gateway's configuration says for drivers
  kOff = SGW_TLS_OFF,
  kOn = SGW_TLS_ON,  // with the authorities and the client certificate of the gateway's configuration
};

// One server that speaks gRPC.
struct Endpoint {
  std::string address{};      // "10.2.3.4:15002", "[::1]:15002", "driver.example:15002", "unix:/run/driver.sock"
  std::string incarnation{};  // tells one server from the next at the same address: pod UID, process start
  Secret token{};             // bearer token that the driver wants; empty: none
  std::uint32_t weight = 1;   // share of new sessions among its neighbours
  HeaderEdits headers{};
  StringMap labels{};
  Tls tls = Tls::kConfigured;
  std::string server_name{};  // with TLS: what its certificate must carry; empty: the address's host
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// One server, given to one sharing key until it is released. The id is at most 256 bytes and means the same to every
// later generation and replica of an instance of that name.
struct Lease {
  std::string id{};
  Endpoint endpoint{};
  friend bool operator==(const Lease&, const Lease&) = default;
};

// Why a lease comes back.
enum class LeaseOutcome : std::uint8_t {
  kEnded = 0,      // its last session ended as it should
  kLost = 1,       // the server is gone or cannot be reached
  kUnclaimed = 2,  // nobody came for it: the server is unused
};

// A server that a Launcher made. `facts` are shown to operators (a process id, a node), never secrets.
struct Server {
  std::string id{};
  Endpoint endpoint{};
  StringMap facts{};
  friend bool operator==(const Server&, const Server&) = default;
};

// The verified certificate of a TLS peer. Borrowed.
struct TlsPeer {
  bool is_verified = false;        // against the listener's authorities
  std::string_view subject{};      // RFC 2253 text
  StringViews dns_names{};         // of subjectAltName
  StringViews uris{};              // of subjectAltName, for example a SPIFFE ID
  std::string_view certificate{};  // DER
};

}  // namespace sgw
