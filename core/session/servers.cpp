#include "core/session/servers.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/session/acquisition.h"

namespace sgw::core {
namespace {

std::string LeaseKey(std::string_view instance, std::string_view lease_id) {
  return std::string(instance) + '\0' + std::string(lease_id);
}

// Both are known, and differ: another server took the address.
bool IsAnother(const std::string& one, const std::string& other) {
  return !one.empty() && !other.empty() && one != other;
}

}  // namespace

BoundServer::BoundServer(std::string sharing_key, const Endpoint& at, Instance* giver, std::string giver_name,
                         std::string lease)
    : key(std::move(sharing_key)),
      address(at.address),
      incarnation(at.incarnation),
      lease_id(std::move(lease)),
      source(giver),
      source_name(std::move(giver_name)),
      endpoint_(std::make_shared<const Endpoint>(at)) {}

std::string BoundServer::lost_because() const {
  const std::lock_guard lock(mutex_);
  return lost_because_;
}

std::shared_ptr<const Endpoint> BoundServer::endpoint() const {
  const std::lock_guard lock(mutex_);
  return endpoint_;
}

RoutePtr BoundServer::Share(RoutePtr route) {
  const std::lock_guard lock(mutex_);
  if (!newest_route_ || *newest_route_ != *route) newest_route_ = std::move(route);
  return newest_route_;
}

Servers::Servers(const Config& config, std::shared_ptr<const Pipeline> pipeline, EndpointTable& endpoints,
                 HostServices& services)
    : config_(config.sessions),
      max_waiting_(static_cast<std::size_t>(config.limits.waiting_callers)),
      pipeline_(std::move(pipeline)),
      endpoints_(endpoints),
      services_(services) {
  endpoints_.SetListener(this);
}

Servers::~Servers() {
  endpoints_.SetListener(nullptr);
  // What was not given back by Stop is kept for a later process.
  for (const auto& [key, server] : servers_) server->lease_.Keep();
}

bool Servers::is_leased(const std::string& address) const {
  const std::lock_guard lock(mutex_);
  const auto at = by_address_.find(address);
  return at != by_address_.end() && at->second.leased > 0;
}

bool Servers::Has(const ServerPtr& server) const {
  const auto at = servers_.find(server->key);
  return at != servers_.end() && at->second == server;
}

bool Servers::Join(const ServerPtr& server, const std::string& session_key) {
  const std::lock_guard lock(mutex_);
  if (!Has(server)) return false;
  ++server->sessions_;
  if (!std::exchange(server->was_claimed_, true)) unclaimed_.erase(server);
  expected_.erase(session_key);
  return true;
}

void Servers::Leave(const ServerPtr& server, LeaseOutcome outcome) {
  std::vector<Removed> removed;
  {
    const std::lock_guard lock(mutex_);
    // The last to leave may never have come to use it; the server is as it was for the next only if nobody has.
    server->was_used_ |= outcome != LeaseOutcome::kUnclaimed;
    if (server->was_used_ && outcome == LeaseOutcome::kUnclaimed) outcome = LeaseOutcome::kEnded;
    if (--server->sessions_ > 0) return;
    const auto at = servers_.find(server->key);
    // A lost server has left already.
    if (at == servers_.end() || at->second != server) return;
    removed.push_back(Remove(server));
  }
  GiveBack(std::move(removed), outcome);
}

void Servers::Insert(const ServerPtr& server) {
  servers_[server->key] = server;
  if (!server->was_claimed_) unclaimed_.insert(server);
  AtAddress& there = by_address_[server->address];
  there.servers[server.get()] = server;
  if (server->is_leased()) {
    ++there.leased;
    leases_[LeaseKey(server->source_name, server->lease_id)] = server;
  } else {
    ++there.discovered[server->incarnation];
  }
}

Servers::Removed Servers::Remove(const ServerPtr& server) {
  servers_.erase(server->key);
  unclaimed_.erase(server);
  const auto at = by_address_.find(server->address);
  at->second.servers.erase(server.get());
  if (server->is_leased()) {
    --at->second.leased;
    leases_.erase(LeaseKey(server->source_name, server->lease_id));
  } else if (--at->second.discovered[server->incarnation] == 0) {
    at->second.discovered.erase(server->incarnation);
  }
  if (at->second.servers.empty()) by_address_.erase(at);
  return {server, std::move(server->lease_)};
}

void Servers::GiveBack(std::vector<Removed> removed, LeaseOutcome outcome) {
  for (Removed& one : removed) {
    endpoints_.Unbind(one.server->address, one.server->incarnation);
    one.lease.Return(outcome);
  }
}

void Servers::Lose(const std::vector<ServerPtr>& servers, const std::string& why, bool is_told) {
  std::vector<Removed> removed;
  {
    const std::lock_guard lock(mutex_);
    for (const ServerPtr& server : servers) {
      const auto at = servers_.find(server->key);
      if (at == servers_.end() || at->second != server) continue;
      {
        const std::lock_guard own(server->mutex_);
        server->lost_because_ = why;
      }
      server->is_lost_ = true;
      removed.push_back(Remove(server));
    }
  }
  for (const Removed& one : removed) {
    spdlog::log(is_told ? spdlog::level::debug : spdlog::level::warn, "the server {} of '{}' is lost: {}",
                one.server->address, one.server->source_name, why);
  }
  GiveBack(std::move(removed), LeaseOutcome::kLost);
}

void Servers::LoseLease(const std::string& instance, const std::string& lease_id, const std::string& why) {
  std::vector<ServerPtr> found;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = leases_.find(LeaseKey(instance, lease_id)); at != leases_.end()) found.push_back(at->second);
  }
  Lose(found, why);
}

void Servers::LoseEndpoint(const std::string& address, const std::string& incarnation, const std::string& why) {
  std::vector<ServerPtr> found;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = by_address_.find(address); at != by_address_.end()) {
      for (const auto& [raw, server] : at->second.servers) {
        if (server->incarnation == incarnation) found.push_back(server);
      }
    }
  }
  Lose(found, why);
}

void Servers::OnUnreachable(const std::string& address, const std::string& incarnation, SteadyTime since,
                            const Status& why) {
  if (Now() - since < config_.lost_after) return;
  // Another worker may have reached it since.
  if (!endpoints_.Of(address, incarnation)->is_failing()) return;
  LoseEndpoint(address, incarnation, why.message());
}

void Servers::LoseReplaced(const std::vector<Endpoint>& endpoints) {
  std::vector<ServerPtr> replaced;
  {
    const std::lock_guard lock(mutex_);
    for (const Endpoint& endpoint : endpoints) {
      const auto at = by_address_.find(endpoint.address);
      if (at == by_address_.end()) continue;
      const auto& discovered = at->second.discovered;
      const bool is_replaced = std::any_of(discovered.begin(), discovered.end(),
                                           [&](const auto& one) { return IsAnother(one.first, endpoint.incarnation); });
      if (!is_replaced) continue;
      for (const auto& [raw, server] : at->second.servers) {
        if (!server->is_leased() && IsAnother(server->incarnation, endpoint.incarnation)) replaced.push_back(server);
      }
    }
  }
  if (!replaced.empty()) Lose(replaced, "another server took its address");
}

std::optional<Endpoint> Servers::Choose(const std::vector<Endpoint>& endpoints) {
  std::vector<const Endpoint*> ready;
  for (const Endpoint& endpoint : endpoints) {
    if (!endpoints_.Of(endpoint.address, endpoint.incarnation)->is_set_aside(Now())) ready.push_back(&endpoint);
  }
  const Endpoint* best = nullptr;
  double least = 0;
  const std::lock_guard lock(mutex_);
  for (const Endpoint* endpoint : ready) {
    const auto at = by_address_.find(endpoint->address);
    if (at != by_address_.end() && at->second.leased > 0) continue;
    const std::size_t bound = at == by_address_.end() ? 0 : at->second.servers.size();
    const double load = static_cast<double>(bound) / std::max(endpoint->weight, 1u);
    if (best && load >= least) continue;
    best = endpoint;
    least = load;
  }
  return best ? std::optional(*best) : std::nullopt;
}

Result<ServerPtr> Servers::Take(const std::string& key, const Found& found) {
  HeldLease lease;
  if (!found.lease_id.empty()) lease = HeldLease(*found.source, found.lease_id);
  auto server = std::make_shared<BoundServer>(key, found.endpoint, found.source, found.source->name(), found.lease_id);
  std::vector<ServerPtr> replaced;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = by_address_.find(server->address); at != by_address_.end()) {
      for (const auto& [raw, other] : at->second.servers) {
        if (IsAnother(other->incarnation, server->incarnation)) replaced.push_back(other);
      }
    }
  }
  Lose(replaced, "another server took its address");
  {
    const std::lock_guard lock(mutex_);
    if (is_stopped_) return Unavailable("The gateway is being stopped.", RetryIn(std::chrono::seconds(5)));
    if (leases_.count(LeaseKey(server->source_name, server->lease_id)) != 0) {
      // Somebody has it already, so it is not ours to give back.
      lease.Keep();
      return Internal("The pool '" + server->source_name + "' gave one server to two callers.");
    }
    const auto at = by_address_.find(server->address);
    if (at != by_address_.end() && at->second.leased > 0) {
      if (server->is_leased()) return Internal("The server " + server->address + " is leased already.");
      return Unavailable("The server was leased just now.", RetryIn(std::chrono::seconds(1)));
    }
    server->lease_ = std::move(lease);
    server->since_ = Now();
    Insert(server);
  }
  endpoints_.Bind(server->address, server->incarnation);
  return server;
}

void Servers::Sweep() {
  std::vector<Removed> unclaimed;
  {
    const std::lock_guard lock(mutex_);
    const SteadyTime now = Now();
    std::vector<ServerPtr> found;
    for (const ServerPtr& server : unclaimed_) {
      if (now - server->since_ >= config_.unclaimed_after) found.push_back(server);
    }
    for (const ServerPtr& server : found) unclaimed.push_back(Remove(server));
    std::erase_if(failures_, [&](const auto& one) { return one.second.until < now; });
    std::erase_if(expected_, [&](const auto& one) { return one.second < now; });
  }
  for (const Removed& one : unclaimed) {
    spdlog::info("nobody came for the server {} of '{}': it goes back", one.server->address, one.server->source_name);
  }
  GiveBack(std::move(unclaimed), LeaseOutcome::kUnclaimed);
}

Servers::Counts Servers::counts() const {
  const std::lock_guard lock(mutex_);
  return {acquisitions_.size(), unclaimed_.size(), servers_.size() - unclaimed_.size(), waiting_};
}

}  // namespace sgw::core
