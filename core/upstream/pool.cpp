#include "core/upstream/pool.h"

#include <algorithm>
#include <deque>

namespace sgw::core {
namespace {

using namespace std::chrono_literals;

constexpr auto kSweepEvery = 30s;
constexpr auto kRememberFailures = 60s;

// What callers hear, who can do no more about it than that.
Status Unreachable(const Status& why) {
  return Unavailable("The driver cannot be reached (" + why.message() +
                     "). Run this again in a minute; if it stays so, tell whoever runs the gateway.");
}

}  // namespace

struct UpstreamPool::Link {
  std::shared_ptr<ClientConnection> connection;
  SteadyTime started{};
  SteadyTime last_busy{};
  int streams = 0;  // when they were last counted
  bool is_ready = false;
};

// What this worker has of one endpoint.
struct UpstreamPool::Group {
  UpstreamPool* pool = nullptr;  // null once the pool has gone
  std::shared_ptr<EndpointState> state;
  bool is_tls = false;
  std::string server_name;                   // that the endpoint names, for TLS
  std::vector<std::shared_ptr<Link>> links;  // shared with nobody for longer than a callback
  std::deque<UpstreamWaiter*> waiters;
  Timer retry;
  Timer patience;
  int counted_streams = 0;
  int counted_links = 0;

  bool is_connecting() const {
    return std::any_of(links.begin(), links.end(), [](const auto& link) { return !link->is_ready; });
  }
  std::size_t leaving() const {
    return static_cast<std::size_t>(std::count_if(
        links.begin(), links.end(), [](const auto& link) { return link->is_ready && link->connection->is_leaving(); }));
  }
  std::shared_ptr<Link> Take(const Link& link) {
    const auto at = std::find_if(links.begin(), links.end(), [&](const auto& owned) { return owned.get() == &link; });
    std::shared_ptr<Link> taken = std::move(*at);
    links.erase(at);
    return taken;
  }
};

UpstreamPool::UpstreamPool(Worker& worker, EndpointTable& table, UpstreamOptions options)
    : worker_(worker), table_(table), options_(std::move(options)) {}

UpstreamPool::~UpstreamPool() {
  for (auto& [key, groups] : groups_) {
    for (auto& group : groups) {
      group->pool = nullptr;
      group->retry.Cancel();
      group->patience.Cancel();
      for (UpstreamWaiter* waiter : group->waiters) waiter->waits_in_.reset();
      group->waiters.clear();
      group->state->streams -= group->counted_streams;
      group->state->connections -= group->counted_links;
      StopTrying(*group->state);
      for (auto& link : group->links) link->connection->Close();
      group->links.clear();
    }
  }
}

bool UpstreamPool::UsesTls(const Endpoint& endpoint) const { return WantsTls(endpoint, options_.tls != nullptr); }

std::shared_ptr<UpstreamPool::Group> UpstreamPool::GroupOf(const Endpoint& endpoint) {
  const bool is_tls = UsesTls(endpoint);
  const std::string_view name = is_tls ? endpoint.server_name : std::string_view();
  AssignEndpointKey(key_, endpoint.address, endpoint.incarnation);
  std::vector<std::shared_ptr<Group>>& groups = groups_[key_];
  for (const auto& group : groups) {
    if (group->is_tls == is_tls && group->server_name == name) return group;
  }
  const auto group = groups.emplace_back(std::make_shared<Group>());
  group->pool = this;
  group->state = table_.Of(endpoint.address, endpoint.incarnation);
  group->is_tls = is_tls;
  group->server_name = name;
  if (!sweep_.is_pending()) sweep_ = worker_.StartTimer(kSweepEvery, [this] { Sweep(); });
  return group;
}

ClientConnection* UpstreamPool::RoomIn(Group& group) {
  for (const auto& link : group.links) {
    if (link->is_ready && link->connection->can_open()) return link->connection.get();
  }
  return nullptr;
}

void UpstreamPool::Get(const Endpoint& endpoint, UpstreamWaiter& waiter) {
  const std::shared_ptr<Group> group = GroupOf(endpoint);
  if (group->waiters.empty()) {
    if (ClientConnection* connection = RoomIn(*group)) {
      waiter.OnConnection(*connection);
      return Recount(*group);
    }
  }
  if (group->links.size() == group->leaving()) {
    if (const Status why = group->state->SetAside(table_.clock().Now()); !why.ok()) {
      return waiter.OnNoConnection(Unreachable(why));
    }
  }
  if (group->waiters.size() >= options_.max_waiting) {
    return waiter.OnNoConnection(Unavailable("The driver " + endpoint.address + " takes no more streams, and " +
                                             std::to_string(group->waiters.size()) + " calls wait for it already."));
  }
  group->waiters.push_back(&waiter);
  waiter.waits_in_ = group;
  waiter.waits_since_ = table_.clock().Now();
  BoundWaits(group);
  Connect(group);
}

void UpstreamPool::Leave(UpstreamWaiter& waiter) {
  const auto group = std::static_pointer_cast<Group>(std::exchange(waiter.waits_in_, nullptr));
  if (group) std::erase(group->waiters, &waiter);
}

void UpstreamPool::Connect(const std::shared_ptr<Group>& group) {
  const std::size_t usable = group->links.size() - group->leaving();
  if (group->is_connecting() || usable >= options_.max_connections) return;
  // A server that lets nobody in beside those who are in gets its pauses, too.
  if (usable > 0 && group->state->is_set_aside(table_.clock().Now())) return;
  group->retry.Cancel();
  const auto made = std::make_shared<Link>();
  made->started = made->last_busy = table_.clock().Now();
  group->links.push_back(made);
  ClientConnection::Setup setup;
  setup.options = options_.connection;
  setup.address = group->state->address;
  setup.connect_timeout = options_.connect_timeout;
  setup.is_tls = group->is_tls;
  if (options_.tls) setup.tls = options_.tls->context();
  if (group->is_tls) {
    setup.server_name = ServerNameOf({.address = group->state->address, .server_name = group->server_name});
  }
  // A link that was given up says nothing any more.
  const auto told = [weak = std::weak_ptr(group), one = std::weak_ptr(made)](const auto& tell) {
    const auto self = weak.lock();
    const auto link = one.lock();
    if (self && self->pool && link) tell(self, *link);
  };
  setup.on_ready = [told](const Status& status) {
    told([&status](const auto& self, Link& link) { self->pool->OnReady(self, link, status); });
  };
  setup.on_closed = [told] { told([](const auto& self, Link& link) { self->pool->OnClosed(self, link); }); };
  setup.on_streams_changed = [told] {
    told([](const auto& self, Link& link) {
      link.last_busy = self->pool->table_.clock().Now();
      self->pool->Serve(self);
    });
  };
  made->connection = ClientConnection::Connect(worker_, std::move(setup));
}

void UpstreamPool::OnReady(const std::shared_ptr<Group>& group, Link& link, const Status& result) {
  // A server that opens its door to close it again is no better than one that keeps it shut.
  const bool has_gone = result.ok() && link.connection->is_leaving();
  const Status status = has_gone ? Unavailable(group->state->address + " ended a new connection at once") : result;
  if (status.ok()) {
    link.is_ready = true;
    StopTrying(*group->state);
    table_.Reached(*group->state);
    return Serve(group);
  }
  const bool is_first = !group->state->is_failing();
  const SteadyTime started = link.started;
  const std::shared_ptr<ClientConnection> connection = group->Take(link)->connection;
  connection->Close();
  table_.Failed(*group->state, started, status, connection->distrust());
  // Streams that other connections have still are no help to those who wait when none of them takes new ones.
  if (group->links.size() == group->leaving()) {
    // It may have been about to end this one when it was asked, as a proxy that is replaced is: those who wait, of whom
    // nothing was sent, get another one, once.
    if (has_gone && is_first && !group->waiters.empty()) return Connect(group);
    Refuse(*group, Unreachable(status));
  }
  KeepTrying(group);
}

void UpstreamPool::OnClosed(const std::shared_ptr<Group>& group, Link& link) {
  const bool was_idle =
      link.streams == 0 && table_.clock().Now() - link.last_busy + 5s >= options_.connection.idle_timeout;
  group->Take(link);
  Recount(*group);
  if (!group->waiters.empty()) {
    Connect(group);
  } else if (!was_idle) {
    KeepTrying(group);
  }
}

// The group stays, held by who calls.
UpstreamWaiter& UpstreamPool::TakeFirst(Group& group) {
  UpstreamWaiter& waiter = *group.waiters.front();
  group.waiters.pop_front();
  waiter.waits_in_.reset();
  return waiter;
}

void UpstreamPool::Serve(const std::shared_ptr<Group>& group) {
  while (!group->waiters.empty()) {
    ClientConnection* connection = RoomIn(*group);
    if (!connection) {
      Connect(group);
      break;
    }
    TakeFirst(*group).OnConnection(*connection);
  }
  Recount(*group);
}

void UpstreamPool::Refuse(Group& group, const Status& why) {
  // The endpoint is set aside: who asks again in here does not wait.
  while (!group.waiters.empty()) TakeFirst(group).OnNoConnection(why);
}

// Nobody waits for ever: a busy server's streams may be long.
void UpstreamPool::BoundWaits(const std::shared_ptr<Group>& group) {
  if (group->patience.is_pending() || group->waiters.empty()) return;
  const auto left = group->waiters.front()->waits_since_ + options_.max_wait - table_.clock().Now();
  group->patience = worker_.StartTimer(left, [this, weak = std::weak_ptr(group)] {
    const auto self = weak.lock();
    if (!self || !self->pool) return;
    const SteadyTime since = table_.clock().Now() - options_.max_wait;
    while (!self->waiters.empty() && self->waiters.front()->waits_since_ <= since) {
      TakeFirst(*self).OnNoConnection(
          Unavailable("The driver " + self->state->address + " is busy: no stream came free in time."));
    }
    BoundWaits(self);
  });
}

// A server with sessions is tried again until it answers or they have gone, by one worker for all.
void UpstreamPool::KeepTrying(const std::shared_ptr<Group>& group) {
  EndpointState& state = *group->state;
  if (state.bound == 0 || state.connections > 0) return StopTrying(state);
  const UpstreamPool* nobody = nullptr;
  if (state.prober != this && !state.prober.compare_exchange_strong(nobody, this)) return;
  group->retry = worker_.StartTimer(state.pause_left(table_.clock().Now()), [this, weak = std::weak_ptr(group)] {
    const auto self = weak.lock();
    if (!self || !self->pool) return;
    if (self->state->bound > 0 && self->state->connections == 0) return Connect(self);
    StopTrying(*self->state);
    // A connection that another worker lost meanwhile found somebody on it.
    if (self->state->bound > 0 && self->state->connections == 0) KeepTrying(self);
  });
}

void UpstreamPool::StopTrying(EndpointState& state) {
  const UpstreamPool* mine = this;
  state.prober.compare_exchange_strong(mine, nullptr);
}

void UpstreamPool::Recount(Group& group) {
  int streams = 0;
  int links = 0;
  for (const auto& link : group.links) {
    if (!link->is_ready) continue;
    ++links;
    streams += link->streams = static_cast<int>(link->connection->streams());
  }
  if (const int change = streams - std::exchange(group.counted_streams, streams)) group.state->streams += change;
  if (const int change = links - std::exchange(group.counted_links, links)) group.state->connections += change;
}

const Endpoint* UpstreamPool::Choose(std::span<const Endpoint> endpoints, std::span<const Endpoint> tried) {
  const SteadyTime now = table_.clock().Now();
  const Endpoint* best = nullptr;
  double best_score = 0;
  bool is_best_aside = false;
  // A different first one each time: among equals nobody is always chosen.
  const std::size_t start = endpoints.empty() ? 0 : next_choice_++ % endpoints.size();
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const Endpoint& endpoint = endpoints[(start + i) % endpoints.size()];
    const auto is_same = [&](const Endpoint& other) {
      return other.address == endpoint.address && other.incarnation == endpoint.incarnation;
    };
    if (std::any_of(tried.begin(), tried.end(), is_same)) continue;
    const EndpointState& state = *GroupOf(endpoint)->state;
    const bool is_aside = state.is_set_aside(now);
    const double score = (state.streams.load(std::memory_order_relaxed) + 1.0) / std::max(1U, endpoint.weight);
    if (best && (is_aside > is_best_aside || (is_aside == is_best_aside && score >= best_score))) continue;
    best = &endpoint;
    best_score = score;
    is_best_aside = is_aside;
  }
  return best;
}

void UpstreamPool::Withdraw(const std::string& address, const std::string& incarnation) {
  const auto at = groups_.find(EndpointKey(address, incarnation));
  if (at == groups_.end()) return;
  std::vector<std::shared_ptr<ClientConnection>> ready;
  // The plain one and those by TLS.
  for (const auto& group : at->second) {
    if (group->state->bound > 0) return;
    for (const auto& link : group->links) {
      if (link->is_ready) ready.push_back(link->connection);
    }
  }
  for (const auto& connection : ready) connection->CloseWhenIdle();
}

void UpstreamPool::Sweep() {
  const SteadyTime now = table_.clock().Now();
  const auto is_done = [&](const auto& group) {
    return group->links.empty() && group->waiters.empty() && !group->retry.is_pending() &&
           (!group->state->is_failing() || now - group->state->last_failure() > kRememberFailures);
  };
  for (auto& [key, groups] : groups_) std::erase_if(groups, is_done);
  std::erase_if(groups_, [](const auto& entry) { return entry.second.empty(); });
  if (!groups_.empty()) sweep_ = worker_.StartTimer(kSweepEvery, [this] { Sweep(); });
}

UpstreamPools::UpstreamPools(WorkerPool& workers, EndpointTable& table, const UpstreamOptions& options)
    : table_(table) {
  for (std::size_t i = 0; i < workers.size(); ++i) {
    pools_.push_back(std::make_unique<UpstreamPool>(workers[i], table, options));
  }
  table.SetWithdrawn(
      [this](const std::string& address, const std::string& incarnation) { Withdraw(address, incarnation); });
}

UpstreamPools::~UpstreamPools() { table_.SetWithdrawn(nullptr); }

void UpstreamPools::Withdraw(const std::string& address, const std::string& incarnation) {
  for (const auto& pool : pools_) {
    pool->worker().Post([raw = pool.get(), address, incarnation] { raw->Withdraw(address, incarnation); });
  }
}

}  // namespace sgw::core
