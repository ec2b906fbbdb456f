#include "core/plugin/putting.h"
#include "core/plugin/raw_views.h"

namespace sgw::core {
namespace {

const std::size_t kIdentity = PluginAnswer(Identity()).index();
const std::size_t kRoute = PluginAnswer(sgw::Route()).index();
const std::size_t kLease = PluginAnswer(Lease()).index();
const std::size_t kSnapshot = PluginAnswer(Snapshot()).index();
const std::size_t kBinding = PluginAnswer(BindingAnswer()).index();
const std::size_t kDone = PluginAnswer(Done()).index();

}  // namespace

Ask Instance::Authenticate(const CallFacts& call, AnswerFn done) {
  const CallView view(call);
  return Put("authenticate", kIdentity, std::move(done),
             [&](sgw_ask ask) { return plugin_.auth->authenticate(object_, view.get(), ask); });
}

Ask Instance::Route(const CallFacts& call, const Identity& identity, AnswerFn done) {
  const CallView view(call);
  const RawIdentity parts(identity);
  const sgw_identity raw = parts.get();
  return Put("route", kRoute, std::move(done),
             [&](sgw_ask ask) { return plugin_.router->route(object_, view.get(), &raw, ask); });
}

Ask Instance::Acquire(const PoolRequest& request, AnswerFn done) {
  const CallView view(request.call);
  const RawIdentity identity_parts(request.identity);
  const RawRoute route_parts(request.route);
  const sgw_identity identity = identity_parts.get();
  const sgw_route route = route_parts.get();
  sgw_pool_request raw{};
  raw.size = sizeof(raw);
  raw.create = request.create ? 1 : 0;
  raw.call = view.get();
  raw.identity = &identity;
  raw.route = &route;
  raw.key = View(request.key);
  return Put(
      "acquire", kLease, std::move(done), [&](sgw_ask ask) { return plugin_.pool->acquire(object_, &raw, ask); },
      request.on_phase);
}

Ask Instance::Redeem(const std::string& lease_id, AnswerFn done) {
  return Put("redeem", kLease, std::move(done),
             [&](sgw_ask ask) { return plugin_.pool->redeem(object_, View(lease_id), ask); });
}

Ask Instance::Resolve(const CallFacts& call, const Identity* identity, const sgw::Route& route, AnswerFn done) {
  const CallView view(call);
  const Identity nobody;
  const RawIdentity identity_parts(identity ? *identity : nobody);
  const RawRoute route_parts(route);
  const sgw_identity raw_identity = identity_parts.get();
  const sgw_route raw_route = route_parts.get();
  return Put("resolve", kSnapshot, std::move(done), [&](sgw_ask ask) {
    return plugin_.discovery->resolve(object_, view.get(), identity ? &raw_identity : nullptr, &raw_route, ask);
  });
}

Ask Instance::BindIfAbsent(std::string_view key, std::string_view binding, std::chrono::milliseconds ttl,
                           AnswerFn done) {
  return Put("bind_if_absent", kBinding, std::move(done), [&](sgw_ask ask) {
    return plugin_.session_store->bind_if_absent(object_, View(key), View(binding), ttl.count(), ask);
  });
}

Ask Instance::LookUp(std::string_view key, AnswerFn done) {
  return Put("look_up", kBinding, std::move(done),
             [&](sgw_ask ask) { return plugin_.session_store->look_up(object_, View(key), ask); });
}

Ask Instance::Touch(std::string_view key, std::chrono::milliseconds ttl, AnswerFn done) {
  return Put("touch", kBinding, std::move(done),
             [&](sgw_ask ask) { return plugin_.session_store->touch(object_, View(key), ttl.count(), ask); });
}

Ask Instance::Remove(std::string_view key, AnswerFn done) {
  return Put("remove", kBinding, std::move(done),
             [&](sgw_ask ask) { return plugin_.session_store->remove(object_, View(key), ask); });
}

Ask Instance::Admit(const sgw_record& record, AnswerFn done) {
  return Put("admit", kDone, std::move(done), [&](sgw_ask ask) { return plugin_.audit->admit(object_, &record, ask); });
}

}  // namespace sgw::core
