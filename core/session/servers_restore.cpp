#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "core/session/servers.h"

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kAskAgainAfter = 2s;
constexpr auto kPatience =
    25s;  // with a discovery; without its answer a server that wants no credentials is taken as it was

bool IsSame(const BoundServer& server, const Endpoint& endpoint) {
  if (server.address != endpoint.address) return false;
  return server.incarnation.empty() || endpoint.incarnation.empty() || server.incarnation == endpoint.incarnation;
}

}  // namespace

// The question to whoever gave a server to an earlier process. Lives on the control thread.
struct Servers::Confirmation {
  ServerPtr server;
  CallFacts facts;
  Identity identity;
  Route route;
  Ask ask;
  Timer timer;
  SteadyTime since;
  std::optional<SteadyTime> missing_since;  // since when its discovery knows nothing of it
};

ServerPtr Servers::Restore(const Binding& binding) {
  auto confirmation = std::make_shared<Confirmation>();
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = servers_.find(binding.sharing_key); at != servers_.end()) {
      const BoundServer& known = *at->second;
      if (known.address != binding.address || known.incarnation != binding.incarnation ||
          known.lease_id != binding.lease_id) {
        return nullptr;
      }
      // A token may be newer than the first of its sessions.
      if (binding.has_credentials) at->second->had_credentials_ = true;
      ++at->second->sessions_;
      return at->second;
    }
    Endpoint endpoint;
    endpoint.address = binding.address;
    endpoint.incarnation = binding.incarnation;
    endpoint.tls = binding.tls;
    endpoint.server_name = binding.server_name;
    const auto server = std::make_shared<BoundServer>(
        binding.sharing_key, endpoint, pipeline_->generation().Find(binding.source), binding.source, binding.lease_id);
    server->had_credentials_ = binding.has_credentials;
    server->is_confirmed_ = false;
    server->was_claimed_ = true;
    server->was_used_ = true;
    server->sessions_ = 1;
    server->since_ = Now();
    Insert(server);
    confirmation->server = server;
    confirmations_.insert(confirmation);
  }
  confirmation->since = Now();
  confirmation->facts.id = NewCallId();
  confirmation->facts.traceparent = TraceParent("");
  for (const auto& [name, value] : binding.routing_headers) confirmation->facts.headers.Add(name, value);
  confirmation->identity.subject = binding.subject;
  confirmation->identity.user_name = binding.user_name;
  confirmation->identity.groups = binding.groups;
  confirmation->identity.realm = binding.realm;
  confirmation->route = binding.route;
  endpoints_.Bind(binding.address, binding.incarnation);
  return confirmation->server;
}

void Servers::ConfirmRestored() {
  const std::lock_guard lock(mutex_);
  for (const auto& confirmation : confirmations_) {
    services_.control.Post([this, weak = std::weak_ptr(confirmation)] {
      if (const auto self = weak.lock()) Confirm(self);
    });
  }
}

Status Servers::IsAskedFor() {
  return Unavailable("The gateway has just started and asks for the server of this session.", RetryIn(1s));
}

void Servers::Confirm(const std::shared_ptr<Confirmation>& confirmation) {
  const ServerPtr& server = confirmation->server;
  {
    // Its sessions may have ended meanwhile. A pool must hear of its lease all the same, to have it back.
    const std::lock_guard lock(mutex_);
    if (!server->is_leased() && !Has(server)) {
      confirmations_.erase(confirmation);
      return;
    }
  }
  const StepKind kind = server->is_leased() ? StepKind::kHotPool : StepKind::kDiscovery;
  if (!server->source || server->source->tag().kind != kind) {
    if (server->is_leased()) {
      Lose({server}, "the pool that it came from is not configured any more");
    } else if (server->had_credentials_) {
      Lose({server}, "the discovery that had its token is not configured any more");
    }
    return Confirmed(confirmation, nullptr);
  }
  const auto done = [this, weak = std::weak_ptr(confirmation)](PluginAnswer answer) {
    if (const auto self = weak.lock()) OnConfirmed(self, std::move(answer));
  };
  Ask ask = server->is_leased()
                ? server->source->Redeem(server->lease_id, done)
                : server->source->Resolve(confirmation->facts, &confirmation->identity, confirmation->route, done);
  if (!ask.is_pending()) return;
  confirmation->ask = std::move(ask);
  if (server->is_leased() || server->had_credentials_) return;
  confirmation->timer = services_.control.StartTimer(kPatience, [this, weak = std::weak_ptr(confirmation)] {
    if (const auto self = weak.lock()) Confirmed(self, nullptr);
  });
}

void Servers::OnConfirmed(const std::shared_ptr<Confirmation>& confirmation, PluginAnswer answer) {
  const ServerPtr server = confirmation->server;
  confirmation->ask.Forget();
  if (const auto* lease = std::get_if<Lease>(&answer)) {
    // Ours again, unless its sessions have ended meanwhile.
    HeldLease held(*server->source, server->lease_id);
    {
      const std::lock_guard lock(mutex_);
      if (Has(server)) std::swap(server->lease_, held);
    }
    held.Return(server->is_lost() ? LeaseOutcome::kLost : LeaseOutcome::kEnded);
    if (!IsSame(*server, lease->endpoint)) Lose({server}, "its lease leads to another server");
    return Confirmed(confirmation, &lease->endpoint);
  }
  if (const auto* snapshot = std::get_if<Snapshot>(&answer)) {
    const auto& all = **snapshot;
    const auto same = std::find_if(all.begin(), all.end(), [&](const Endpoint& e) { return IsSame(*server, e); });
    if (same != all.end()) return Confirmed(confirmation, &*same);
    const bool is_replaced =
        std::any_of(all.begin(), all.end(), [&](const Endpoint& e) { return e.address == server->address; });
    if (!is_replaced) return OnMissing(confirmation);
    Lose({server}, "another server took its address");
    return Confirmed(confirmation, nullptr);
  }
  const auto* status = std::get_if<Status>(&answer);
  if (server->is_leased() && (!status || status->code() == StatusCode::kNotFound)) {
    Lose({server}, "it did not survive the restart of the gateway");
    return Confirmed(confirmation, nullptr);
  }
  if (!status) return OnMissing(confirmation);
  const bool is_over = !server->is_leased() && !server->had_credentials_ && Now() - confirmation->since > kPatience;
  is_over ? Confirmed(confirmation, nullptr) : AskAgain(confirmation);
}

// Missing from a snapshot is not gone. But what a server wants to be sent is known to its discovery only: without it no
// call goes there, and its sessions wait as they would for a server that cannot be reached.
void Servers::OnMissing(const std::shared_ptr<Confirmation>& confirmation) {
  const ServerPtr server = confirmation->server;
  if (!server->had_credentials_) return Confirmed(confirmation, nullptr);
  if (!confirmation->missing_since) {
    confirmation->missing_since = Now();
    spdlog::warn(
        "the server {} had a token, and '{}' does not know that server since the gateway was started again: "
        "its sessions wait for sessions.lost_after, and are lost then",
        server->address, server->source_name);
  }
  if (Now() - *confirmation->missing_since < config_.lost_after) return AskAgain(confirmation);
  Lose({server}, "its discovery does not know it since the gateway was started again, and so its token is not known");
  Confirmed(confirmation, nullptr);
}

void Servers::AskAgain(const std::shared_ptr<Confirmation>& confirmation) {
  confirmation->timer = services_.control.StartTimer(kAskAgainAfter, [this, weak = std::weak_ptr(confirmation)] {
    if (const auto self = weak.lock()) Confirm(self);
  });
}

void Servers::Confirmed(const std::shared_ptr<Confirmation>& confirmation, const Endpoint* endpoint) {
  BoundServer& server = *confirmation->server;
  if (!server.is_lost()) {
    if (endpoint) {
      const std::lock_guard lock(server.mutex_);
      server.endpoint_ = std::make_shared<const Endpoint>(*endpoint);
    }
    server.is_confirmed_ = true;
  }
  const std::lock_guard lock(mutex_);
  confirmations_.erase(confirmation);
}

}  // namespace sgw::core
