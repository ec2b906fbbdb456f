#include "core/plugin/call_facts.h"

#include "core/plugin/raw_views.h"

namespace sgw::core {

CallView::CallView(const CallFacts& facts) {
  if (facts.headers.size() > few_.size()) many_.resize(facts.headers.size());
  sgw_pair* const headers = many_.empty() ? few_.data() : many_.data();
  std::size_t count = 0;
  for (std::size_t i = 0; i < facts.headers.size(); ++i) {
    const HeaderField field = facts.headers[i];
    if (field.name.substr(0, 1) != ":") headers[count++] = {View(field.name), View(field.value)};
  }
  call_.size = sizeof(call_);
  call_.id = View(facts.id);
  call_.traceparent = View(facts.traceparent);
  call_.listener = View(facts.listener);
  call_.peer_address = View(facts.peer_address);
  call_.authority = View(facts.authority());
  call_.method = View(facts.method());
  call_.headers = {headers, count};
  call_.received_wall_ns = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(facts.received.time_since_epoch()).count());
  if (!facts.tls) return;
  for (const auto& name : facts.tls->dns_names) dns_names_.push_back(View(name));
  for (const auto& uri : facts.tls->uris) uris_.push_back(View(uri));
  tls_.size = sizeof(tls_);
  tls_.verified = facts.tls->verified ? 1 : 0;
  tls_.subject = View(facts.tls->subject);
  tls_.dns_names = {dns_names_.data(), dns_names_.size()};
  tls_.uris = {uris_.data(), uris_.size()};
  tls_.certificate_der = View(facts.tls->certificate_der);
  call_.tls = &tls_;
}

}  // namespace sgw::core
