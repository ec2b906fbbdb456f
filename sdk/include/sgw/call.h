// What a plugin sees of a call when it is asked about it.
//
// Calls are borrowed: a plugin that answers Pending copies what it needs before it returns.
#pragma once

#include <sgw/answers.h>
#include <sgw/completion.h>
#include <sgw/values.h>

#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

namespace sgw {

namespace detail {

// Makes the completion of the ask that is being answered.
template <typename A>
class Deferrer {
 public:
  virtual Completion<A> Defer() = 0;
  virtual void ReportPhase(std::string_view phase) = 0;

 protected:
  ~Deferrer() = default;
};

}  // namespace detail

// The facts of a call that every kind sees.
class Call {
 public:
  explicit Call(const sgw_call& raw) : raw_(raw) {}

  // Shown in every refusal and record of this call.
  std::string_view id() const { return detail::Text(raw_.id); }
  // W3C trace context, as received or made by the host.
  std::string_view traceparent() const { return detail::Text(raw_.traceparent); }
  // Name of the listener in the configuration.
  std::string_view listener() const { return detail::Text(raw_.listener); }
  // "192.0.2.7:51312", "[2001:db8::1]:443" or "unix:".
  std::string_view peer_address() const { return detail::Text(raw_.peer_address); }
  // The host that the client named, with its port if it sent one.
  std::string_view authority() const { return detail::Text(raw_.authority); }
  // "/spark.connect.SparkConnectService/ExecutePlan".
  std::string_view method() const { return detail::Text(raw_.method); }
  WallTime received() const { return WallTime(std::chrono::nanoseconds(raw_.received_wall_ns)); }

  // All metadata, in the order of the wire; names are in lower case, values of -bin names in base64.
  PairViews headers() const { return detail::Pairs(raw_.headers); }
  // The first value of a name, in any case; none when it was not sent.
  std::optional<std::string_view> header(std::string_view name) const {
    for (auto [key, value] : headers()) {
      if (detail::EqualFold(key, name)) return value;
    }
    return std::nullopt;
  }
  // All values of a name, in the order of the wire.
  std::vector<std::string_view> headers(std::string_view name) const {
    std::vector<std::string_view> values;
    for (auto [key, value] : headers()) {
      if (detail::EqualFold(key, name)) values.push_back(value);
    }
    return values;
  }
  // The bearer token without its scheme, from `authorization` or, as JVM clients up to 4.1 send it, `authentication`;
  // none when neither has one.
  std::optional<std::string_view> bearer() const {
    for (std::string_view name : {"authorization", "authentication"}) {
      for (std::string_view value : headers(name)) {
        constexpr std::string_view kScheme = "bearer ";
        if (value.size() < kScheme.size() || !detail::EqualFold(value.substr(0, kScheme.size()), kScheme)) continue;
        value.remove_prefix(kScheme.size());
        while (value.starts_with(' ')) value.remove_prefix(1);
        while (value.ends_with(' ')) value.remove_suffix(1);
        if (!value.empty()) return value;
      }
    }
    return std::nullopt;
  }

  // The peer's certificate; none on a plain connection.
  std::optional<TlsPeer> tls() const {
    if (!raw_.tls) return std::nullopt;
    const sgw_tls_peer& peer = *raw_.tls;
    return TlsPeer{.is_verified = peer.verified != 0,
                   .subject = detail::Text(peer.subject),
                   .dns_names = detail::Views(peer.dns_names),
                   .uris = detail::Views(peer.uris),
                   .certificate = detail::Text(peer.certificate_der)};
  }

 private:
  const sgw_call& raw_;
};

// What Defer() gives: `pending` to return now, `done` to answer with later.
template <typename A>
struct Deferred {
  Pending pending{};
  Completion<A> done{};
};

// A call whose question has the answer A.
template <typename A>
class CallOf : public Call {
 public:
  CallOf(const sgw_call& raw, detail::Deferrer<A>& deferrer) : Call(raw), deferrer_(deferrer) {}

  // Promises an answer for later: `auto [pending, done] = call.Defer<AuthAnswer>();`. Use it only while the plugin is
  // being asked, once, and return `pending`.
  template <typename T = A>
  Deferred<T> Defer() const {
    static_assert(std::is_same_v<T, A>, "this kind of call has another kind of answer");
    return {Pending{}, deferrer_.Defer()};
  }

 protected:
  detail::Deferrer<A>& deferrer_;
};

using AuthCall = CallOf<AuthAnswer>;

class RouterCall : public CallOf<RouterAnswer> {
 public:
  RouterCall(const sgw_call& raw, detail::Deferrer<RouterAnswer>& deferrer, const Identity& who)
      : CallOf(raw, deferrer), identity_(who) {}

  const Identity& identity() const { return identity_; }

 private:
  const Identity& identity_;
};

class PoolCall : public CallOf<PoolAnswer> {
 public:
  PoolCall(const sgw_call& raw, detail::Deferrer<PoolAnswer>& deferrer, const Identity& who, const Route& where,
           std::string_view sharing_key, bool may_create, PhaseReport report)
      : CallOf(raw, deferrer),
        phase(std::move(report)),
        identity_(who),
        route_(where),
        key_(sharing_key),
        create_(may_create) {}

  // Of the first caller; others may share the server, and this one may leave before the answer.
  const Identity& identity() const { return identity_; }
  const Route& route() const { return route_; }
  // The sharing key, opaque and stable: at most one lease is held per key.
  std::string_view key() const { return key_; }
  // True: a server may be made for this call; false: only a warm one is wanted, else Next.
  bool create() const { return create_; }

  // Tells the waiting caller how far the answer is; copy it to go on after the return.
  const PhaseReport phase;

 private:
  const Identity& identity_;
  const Route& route_;
  std::string_view key_;
  bool create_;
};

class DiscoveryCall : public CallOf<DiscoveryAnswer> {
 public:
  DiscoveryCall(const sgw_call& raw, detail::Deferrer<DiscoveryAnswer>& deferrer, const Identity* who,
                const Route& where)
      : CallOf(raw, deferrer), identity_(who), route_(where) {}

  // Null when the pipeline has no auth step.
  const Identity* identity() const { return identity_; }
  const Route& route() const { return route_; }

 private:
  const Identity* identity_;
  const Route& route_;
};

}  // namespace sgw
