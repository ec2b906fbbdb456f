// The tables of functions of each kind, on top of its class.
#pragma once

#include <sgw/audit.h>
#include <sgw/authenticator.h>
#include <sgw/detail/instance.h>
#include <sgw/discovery.h>
#include <sgw/hot_pool.h>
#include <sgw/metrics.h>
#include <sgw/router.h>
#include <sgw/session_store.h>

namespace sgw::detail {

inline void SetTable(sgw_plugin& plugin, const Authenticator*) {
  using Self = Instance<Authenticator>;
  static constexpr sgw_auth_ops kOps = {.size = sizeof(sgw_auth_ops),
                                        .reserved = 0,
                                        .authenticate = [](sgw_instance* raw, const sgw_call* call, sgw_ask ask) {
                                          Self& self = Self::Of(raw);
                                          return self.Ask<AuthAnswer>(
                                              "Authenticate", ask, [&](Asking<AuthAnswer>& asking) {
                                                return self.plugin->Authenticate(AuthCall(*call, asking));
                                              });
                                        }};
  plugin.auth = &kOps;
}

inline void SetTable(sgw_plugin& plugin, const Router*) {
  using Self = Instance<Router>;
  static constexpr sgw_router_ops kOps = {
      .size = sizeof(sgw_router_ops),
      .reserved = 0,
      .route = [](sgw_instance* raw, const sgw_call* call, const sgw_identity* who, sgw_ask ask) {
        Self& self = Self::Of(raw);
        return self.Ask<RouterAnswer>("Decide", ask, [&](Asking<RouterAnswer>& asking) {
          const Identity identity = who ? FromRaw(*who) : Identity();
          return self.plugin->Decide(RouterCall(*call, asking, identity));
        });
      }};
  plugin.router = &kOps;
}

inline void SetTable(sgw_plugin& plugin, const HotPool*) {
  using Self = Instance<HotPool>;
  static constexpr sgw_pool_ops kOps = {
      .size = sizeof(sgw_pool_ops),
      .reserved = 0,
      .acquire =
          [](sgw_instance* raw, const sgw_pool_request* request, sgw_ask ask) {
            Self& self = Self::Of(raw);
            return self.Ask<PoolAnswer>("Acquire", ask, [&](Asking<PoolAnswer>& asking) {
              const Identity identity = request->identity ? FromRaw(*request->identity) : Identity();
              const Route route = request->route ? FromRaw(*request->route) : Route();
              const sgw_call no_call{};
              return self.plugin->Acquire(PoolCall(request->call ? *request->call : no_call, asking, identity, route,
                                                   Text(request->key), request->create != 0, asking.Reporter()));
            });
          },
      .release =
          [](sgw_instance* raw, sgw_view lease_id, std::int32_t outcome) {
            Self& self = Self::Of(raw);
            const bool is_known = outcome >= SGW_LEASE_ENDED && outcome <= SGW_LEASE_UNCLAIMED;
            self.Guard("Release", [&] {
              self.plugin->Release(Text(lease_id),
                                   is_known ? static_cast<LeaseOutcome>(outcome) : LeaseOutcome::kEnded);
            });
          },
      .redeem =
          [](sgw_instance* raw, sgw_view lease_id, sgw_ask ask) {
            Self& self = Self::Of(raw);
            return self.AskLater<Result<Lease>>("Redeem", ask, [&](const Completion<Result<Lease>>& done) {
              self.plugin->Redeem(std::string(Text(lease_id)), done);
            });
          }};
  plugin.pool = &kOps;
}

inline void SetTable(sgw_plugin& plugin, const Discovery*) {
  using Self = Instance<Discovery>;
  static constexpr sgw_discovery_ops kOps = {
      .size = sizeof(sgw_discovery_ops),
      .reserved = 0,
      .resolve = [](sgw_instance* raw, const sgw_call* call, const sgw_identity* who, const sgw_route* where,
                    sgw_ask ask) {
        Self& self = Self::Of(raw);
        return self.Ask<DiscoveryAnswer>("Resolve", ask, [&](Asking<DiscoveryAnswer>& asking) {
          const Identity identity = who ? FromRaw(*who) : Identity();
          const Route route = where ? FromRaw(*where) : Route();
          return self.plugin->Resolve(DiscoveryCall(*call, asking, who ? &identity : nullptr, route));
        });
      }};
  plugin.discovery = &kOps;
}

inline Record FromRaw(const sgw_record& raw) {
  return {.event = static_cast<RecordEvent>(raw.event),
          .time = WallTime(std::chrono::nanoseconds(raw.wall_ns)),
          .call_id = Text(raw.call_id),
          .traceparent = Text(raw.traceparent),
          .listener = Text(raw.listener),
          .peer_address = Text(raw.peer_address),
          .realm = Text(raw.realm),
          .subject = Text(raw.subject),
          .user_name = Text(raw.user_name),
          .groups = Views(raw.groups),
          .namespace_ = Text(raw.name_space),
          .team = Text(raw.team),
          .environment = Text(raw.environment),
          .method = Text(raw.method),
          .session_id = Text(raw.session_id),
          .operation_id = Text(raw.operation_id),
          .client_type = Text(raw.client_type),
          .endpoint = Text(raw.endpoint),
          .lease_id = Text(raw.lease_id),
          .refused_by = Text(raw.refused_by),
          .reason = Text(raw.reason),
          .code = static_cast<StatusCode>(raw.code),
          .message = Text(raw.message),
          .bytes_from_client = raw.bytes_from_client,
          .bytes_to_client = raw.bytes_to_client,
          .duration = std::chrono::nanoseconds(raw.duration_ns),
          .claims = Pairs(raw.claims),
          .labels = Pairs(raw.labels),
          .actor = SGW_HAS(&raw, actor) ? Text(raw.actor) : std::string_view()};
}

inline void SetTable(sgw_plugin& plugin, const Audit*) {
  using Self = Instance<Audit>;
  static constexpr sgw_audit_ops kOps = {
      .size = sizeof(sgw_audit_ops),
      .reserved = 0,
      .record =
          [](sgw_instance* raw, const sgw_record* record) {
            Self& self = Self::Of(raw);
            self.Guard("Write", [&] { self.plugin->Write(FromRaw(*record)); });
          },
      .admit =
          [](sgw_instance* raw, const sgw_record* record, sgw_ask ask) {
            Self& self = Self::Of(raw);
            return self.AskLater<Status>(
                "Admit", ask, [&](const Completion<Status>& done) { self.plugin->Admit(FromRaw(*record), done); });
          }};
  plugin.audit = &kOps;
}

inline void SetTable(sgw_plugin& plugin, const Metrics*) {
  using Self = Instance<Metrics>;
  static constexpr sgw_metrics_ops kOps = {
      .size = sizeof(sgw_metrics_ops),
      .reserved = 0,
      .render = [](sgw_instance* raw, const sgw_metrics_snapshot* snapshot, sgw_text_sink type, sgw_text_sink body) {
        Self& self = Self::Of(raw);
        MetricsPage page{.content_type = "text/plain", .body = "# the metrics plugin failed inside (an exception)\n"};
        self.Guard("Render", [&] {
          page = self.plugin->Render({snapshot->families, static_cast<std::size_t>(snapshot->family_count)});
        });
        type.write(type.context, View(page.content_type));
        body.write(body.context, View(page.body));
      }};
  plugin.metrics = &kOps;
}

inline void SetTable(sgw_plugin& plugin, const SessionStore*) {
  using Self = Instance<SessionStore>;
  using Done = SessionStore::Done;
  using Answered = Result<SessionStore::Binding>;
  static constexpr sgw_session_store_ops kOps = {
      .size = sizeof(sgw_session_store_ops),
      .reserved = 0,
      .bind_if_absent =
          [](sgw_instance* raw, sgw_view key, sgw_view binding, std::int64_t ttl_ms, sgw_ask ask) {
            Self& self = Self::Of(raw);
            return self.AskLater<Answered>("BindIfAbsent", ask, [&](const Done& done) {
              self.plugin->BindIfAbsent(Text(key), Text(binding), Duration(ttl_ms), done);
            });
          },
      .look_up =
          [](sgw_instance* raw, sgw_view key, sgw_ask ask) {
            Self& self = Self::Of(raw);
            return self.AskLater<Answered>("LookUp", ask,
                                           [&](const Done& done) { self.plugin->LookUp(Text(key), done); });
          },
      .touch =
          [](sgw_instance* raw, sgw_view key, std::int64_t ttl_ms, sgw_ask ask) {
            Self& self = Self::Of(raw);
            return self.AskLater<Answered>(
                "Touch", ask, [&](const Done& done) { self.plugin->Touch(Text(key), Duration(ttl_ms), done); });
          },
      .remove =
          [](sgw_instance* raw, sgw_view key, sgw_ask ask) {
            Self& self = Self::Of(raw);
            return self.AskLater<Answered>("Remove", ask,
                                           [&](const Done& done) { self.plugin->Remove(Text(key), done); });
          }};
  plugin.session_store = &kOps;
}

}  // namespace sgw::detail
