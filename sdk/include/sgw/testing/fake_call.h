// FakeCall and FakeRecord: what a test shows to a plugin.
#pragma once

#include <sgw/detail/raw.h>
#include <sgw/record.h>
#include <sgw/values.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw::testing {

// A call, its identity and its route, built in one line:
//
//   CallFrom("alice").Groups({"ads"}).Header("x-spark-team", "ads")
class FakeCall {
 public:
  FakeCall& Header(std::string name, std::string value) {
    return Set([&] { headers_.emplace_back(std::move(name), std::move(value)); });
  }
  FakeCall& Bearer(std::string_view token) { return Header("authorization", "Bearer " + std::string(token)); }
  FakeCall& Method(std::string method) {
    return Set([&] { method_ = std::move(method); });
  }
  FakeCall& Authority(std::string authority) {
    return Set([&] { authority_ = std::move(authority); });
  }
  FakeCall& Peer(std::string address) {
    return Set([&] { peer_ = std::move(address); });
  }
  FakeCall& Listener(std::string name) {
    return Set([&] { listener_ = std::move(name); });
  }
  FakeCall& Id(std::string id) {
    return Set([&] { id_ = std::move(id); });
  }
  // A verified client certificate.
  FakeCall& Certificate(std::string subject, std::vector<std::string> dns_names = {},
                        std::vector<std::string> uris = {}, std::string der = {}) {
    return Set([&] { tls_ = Tls{std::move(subject), std::move(dns_names), std::move(uris), std::move(der)}; });
  }
  // What auth and router have said, for the kinds that are asked after them.
  FakeCall& As(sgw::Identity who) {
    return Set([&] { identity_ = std::move(who); });
  }
  FakeCall& Groups(std::vector<std::string> groups) {
    return Set([&] { identity_->groups = std::move(groups); });
  }
  FakeCall& RoutedTo(sgw::Route where) {
    return Set([&] { route_ = std::move(where); });
  }
  FakeCall& RoutedTo(std::string name_space) {
    return Set([&] { route_.namespace_ = std::move(name_space); });
  }

  const std::optional<sgw::Identity>& identity() const { return identity_; }
  const sgw::Route& route() const { return route_; }

  // Calls `use` with the call in the shape of the C boundary; everything is gone when it returns.
  template <typename F>
  auto Use(F use) const {
    const FakeCall copy = *this;
    const sgw::detail::RawPairs headers(copy.headers_);
    const std::vector<std::string> none;
    const sgw::detail::RawViews dns_names(copy.tls_ ? copy.tls_->dns_names : none);
    const sgw::detail::RawViews uris(copy.tls_ ? copy.tls_->uris : none);
    const sgw_tls_peer tls = {.size = sizeof(sgw_tls_peer),
                              .verified = 1,
                              .subject = sgw::detail::View(copy.tls_ ? std::string_view(copy.tls_->subject) : ""),
                              .dns_names = dns_names.get(),
                              .uris = uris.get(),
                              .certificate_der = sgw::detail::View(copy.tls_ ? std::string_view(copy.tls_->der) : "")};
    const sgw_call raw = {.size = sizeof(sgw_call),
                          .reserved = 0,
                          .id = sgw::detail::View(copy.id_),
                          .traceparent = sgw::detail::View("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                          .listener = sgw::detail::View(copy.listener_),
                          .peer_address = sgw::detail::View(copy.peer_),
                          .authority = sgw::detail::View(copy.authority_),
                          .method = sgw::detail::View(copy.method_),
                          .headers = headers.get(),
                          .tls = copy.tls_ ? &tls : nullptr,
                          .received_wall_ns = 1'700'000'000'000'000'000};
    return use(raw);
  }

 private:
  struct Tls {
    std::string subject;
    std::vector<std::string> dns_names;
    std::vector<std::string> uris;
    std::string der;
  };

  template <typename F>
  FakeCall& Set(F set) {
    set();
    return *this;
  }

  std::string id_ = "7f3a91";
  std::string listener_ = "0.0.0.0:15002";
  std::string peer_ = "192.0.2.7:51312";
  std::string authority_ = "spark.example.com:15002";
  std::string method_ = "/spark.connect.SparkConnectService/ExecutePlan";
  StringMap headers_;
  std::optional<Tls> tls_;
  std::optional<sgw::Identity> identity_;
  sgw::Route route_;
};

// A call of which nothing is known yet.
inline FakeCall AnyCall() { return {}; }
// A call of somebody whom an auth step has named.
inline FakeCall CallFrom(std::string subject) { return FakeCall().As({.subject = std::move(subject)}); }

// Calls `use` with the record in the shape of the C boundary.
template <typename F>
auto UseRecord(const Record& record, const std::vector<std::string>& groups, const StringMap& claims,
               const StringMap& labels, F use) {
  using sgw::detail::View;
  const sgw::detail::RawViews raw_groups(groups);
  const sgw::detail::RawPairs raw_claims(claims);
  const sgw::detail::RawPairs raw_labels(labels);
  sgw_record raw{};
  raw.size = sizeof(raw);
  raw.event = static_cast<std::uint32_t>(record.event);
  raw.wall_ns = sgw::detail::RawTime(record.time);
  raw.call_id = View(record.call_id);
  raw.traceparent = View(record.traceparent);
  raw.listener = View(record.listener);
  raw.peer_address = View(record.peer_address);
  raw.realm = View(record.realm);
  raw.subject = View(record.subject);
  raw.user_name = View(record.user_name);
  raw.groups = raw_groups.get();
  raw.name_space = View(record.namespace_);
  raw.team = View(record.team);
  raw.environment = View(record.environment);
  raw.method = View(record.method);
  raw.session_id = View(record.session_id);
  raw.operation_id = View(record.operation_id);
  raw.client_type = View(record.client_type);
  raw.endpoint = View(record.endpoint);
  raw.lease_id = View(record.lease_id);
  raw.refused_by = View(record.refused_by);
  raw.reason = View(record.reason);
  raw.code = static_cast<std::int32_t>(record.code);
  raw.message = View(record.message);
  raw.bytes_from_client = record.bytes_from_client;
  raw.bytes_to_client = record.bytes_to_client;
  raw.duration_ns = static_cast<std::uint64_t>(record.duration.count());
  raw.claims = raw_claims.get();
  raw.labels = raw_labels.get();
  return use(raw);
}

}  // namespace sgw::testing
