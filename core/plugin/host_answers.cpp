#include "core/plugin/host.h"
#include "core/plugin/instance.h"

namespace sgw::core {
namespace {

constexpr std::uint32_t kLeastLease = offsetof(sgw_lease, endpoint) + offsetof(sgw_endpoint, tls);

// What all kinds of answers share: Next and Status. `value` makes the answer of the kind.
template <typename Raw, typename Value>
PluginAnswer AnswerOf(const InstanceLife& life, const Raw* raw, Value value) {
  if (!raw || !SGW_HAS(raw, status)) return Internal("the plugin's answer is cut short");
  switch (raw->answer) {
    case SGW_ANSWER_VALUE: return value();
    case SGW_ANSWER_NEXT: return Next{};
    case SGW_ANSWER_STATUS: {
      // A pool tells what its servers printed, in lines that it shortens.
      constexpr bool is_pool = std::is_same_v<Raw, sgw_pool_answer>;
      Status status =
          life.WithoutSecrets(raw->status, is_pool ? SecretTexts::Which::kAlsoCut : SecretTexts::Which::kWhole);
      if (status.ok()) return Internal("the plugin refused with an OK status");
      return status;
    }
    default: return Internal("the plugin's answer is neither a value nor Next nor a status");
  }
}

bool Give(sgw_host* host, sgw_ask ask, PluginAnswer&& answer) {
  return host->services.asks.Answer(*host->life, ask, std::move(answer));
}

void Auth(sgw_host* host, sgw_ask ask, const sgw_auth_answer* raw) {
  Give(host, ask, AnswerOf(*host->life, raw, [&]() -> PluginAnswer {
         if (!raw->identity || !SGW_HAS(raw->identity, headers)) return Internal("the plugin answered no identity");
         Identity identity = IdentityOf(*raw->identity);
         if (identity.subject.empty() && !identity.is_as_claimed) {
           return Internal("the plugin answered an identity without a subject");
         }
         if (SGW_HAS(raw, only_bound) && raw->only_bound) {
           Status refusal = host->life->WithoutSecrets(raw->only_bound);
           if (refusal.ok()) return Internal("the plugin answered a lapsed identity without a refusal");
           return Lapsed{std::move(identity), std::move(refusal)};
         }
         return identity;
       }));
}

void Router(sgw_host* host, sgw_ask ask, const sgw_router_answer* raw) {
  Give(host, ask, AnswerOf(*host->life, raw, [&]() -> PluginAnswer {
         if (!raw->route || !SGW_HAS(raw->route, headers)) return Internal("the plugin answered no route");
         return RouteOf(*raw->route);
       }));
}

// Remembers that the host has a lease of this id. False: it has one already.
bool Hold(InstanceLife& life, const std::string& lease_id) {
  const std::lock_guard lock(life.mutex);
  return life.leases.insert(lease_id).second;
}

// A server that nobody waits for goes back at once; not from here, since the plugin may hold a lock of its own.
void GiveBack(sgw_host* host, const std::string& lease_id) {
  host->services.control.Post([life = host->life, &instance = host->instance, lease_id] {
    if (!life->is_over) instance.Release(lease_id, LeaseOutcome::kUnclaimed);
  });
}

void Pool(sgw_host* host, sgw_ask ask, const sgw_pool_answer* raw) {
  std::string lease_id;  // of a server that the host did not have before
  bool is_good = false;
  bool is_held = false;
  PluginAnswer answer = AnswerOf(*host->life, raw, [&]() -> PluginAnswer {
    // The endpoint is as long as its writer knew it; what it has must lie within the lease.
    if (!raw->lease || raw->lease->size < kLeastLease) return Internal("the plugin answered no lease");
    if (raw->lease->size < offsetof(sgw_lease, endpoint) + raw->lease->endpoint.size) {
      return Internal("the plugin's lease is cut short");
    }
    Lease lease{TextOf(raw->lease->id), EndpointOf(raw->lease->endpoint)};
    if (lease.id.empty()) return Internal("the plugin answered a lease without an id");
    is_held = !Hold(*host->life, lease.id);
    if (is_held) return Internal("The pool '" + host->life->name + "' gave one server to two callers.");
    lease_id = lease.id;
    is_good = lease.id.size() <= 256 && !lease.endpoint.address.empty();
    if (!is_good) return Internal("the plugin answered a lease without an address, or whose id has over 256 bytes");
    return lease;
  });
  const bool has_effect = Give(host, ask, std::move(answer));
  if (has_effect && is_held) host->life->Count("leased_twice");
  if (!lease_id.empty() && !(has_effect && is_good)) GiveBack(host, lease_id);
}

void Discovery(sgw_host* host, sgw_ask ask, const sgw_discovery_answer* raw) {
  Give(host, ask, AnswerOf(*host->life, raw, [&]() -> PluginAnswer {
         if (!raw->snapshot) return Internal("the plugin answered no snapshot");
         return raw->snapshot->endpoints;
       }));
}

void Session(sgw_host* host, sgw_ask ask, const sgw_session_answer* raw) {
  Give(host, ask, AnswerOf(*host->life, raw, [&]() -> PluginAnswer { return BindingAnswer{TextOf(raw->binding)}; }));
}

void AnswerDone(sgw_host* host, sgw_ask ask, const sgw_status* raw) {
  Status status = host->life->WithoutSecrets(raw);
  Give(host, ask, status.ok() ? PluginAnswer(Done()) : PluginAnswer(std::move(status)));
}

void ReportPhase(sgw_host* host, sgw_ask ask, sgw_view phase) {
  host->services.asks.ReportPhase(*host->life, ask, host->life->Plain(phase, 200));
}

}  // namespace

void SetAnswerFunctions(sgw_host_table& table) {
  table.answer_auth = Auth;
  table.answer_router = Router;
  table.answer_pool = Pool;
  table.answer_discovery = Discovery;
  table.answer_session = Session;
  table.answer_done = AnswerDone;
  table.report_phase = ReportPhase;
}

}  // namespace sgw::core
