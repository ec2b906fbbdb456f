#include "core/plugin/instance.h"

#include "core/plugin/raw_views.h"

namespace sgw::core {
namespace {

const std::size_t kIdentity = PluginAnswer(Identity()).index();
const std::size_t kRoute = PluginAnswer(sgw::Route()).index();
const std::size_t kLease = PluginAnswer(Lease()).index();
const std::size_t kSnapshot = PluginAnswer(Snapshot()).index();
const std::size_t kDone = PluginAnswer(Done()).index();

Status StatusOfAnswer(PluginAnswer& answer) {
  if (auto* status = std::get_if<Status>(&answer)) return std::move(*status);
  return {};
}

}  // namespace

Ask& Ask::operator=(Ask&& other) noexcept {
  if (this != &other) {
    Cancel();
    instance_ = std::exchange(other.instance_, nullptr);
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

void Ask::Cancel() {
  Instance* instance = std::exchange(instance_, nullptr);
  if (!instance || !instance->services_.asks.Close(id_)) return;
  if (instance->plugin_.cancel) instance->plugin_.cancel(instance->object_, id_);
}

Instance::Instance(std::shared_ptr<Library> library, std::string name, HostServices& services)
    : library_(std::move(library)),
      name_(std::move(name)),
      services_(services),
      host_(std::make_unique<sgw_host>()),
      plugin_(*library_->plugin()) {
  host_->instance = this;
  host_->services = &services_;
}

Result<std::unique_ptr<Instance>> Instance::Create(std::shared_ptr<Library> library, const std::string& name,
                                                   const std::string& settings_json, const std::string& directory,
                                                   HostServices& services) {
  const sgw_plugin& plugin = *library->plugin();
  const bool has_table[] = {plugin.auth != nullptr,         plugin.router != nullptr, plugin.pool != nullptr,
                            plugin.discovery != nullptr,    plugin.audit != nullptr,  plugin.metrics != nullptr,
                            plugin.session_store != nullptr};
  if (!has_table[static_cast<std::size_t>(library->tag().kind)] || !plugin.create || !plugin.start || !plugin.stop ||
      !plugin.quiesce || !plugin.destroy) {
    return FailedPrecondition(library->file() + ": create: its table has no functions for its kind '" +
                              KindName(library->tag().kind) + "'. Rebuild it with its SDK.");
  }
  std::unique_ptr<Instance> instance(new Instance(library, name, services));
  sgw_create_args args{};
  args.size = sizeof(args);
  args.instance_name = View(instance->name_);
  args.settings_json = View(settings_json);
  args.configuration_directory = View(directory);
  Status refusal;
  const sgw_failure failure{
      &refusal, [](void* context, const sgw_status* status) { *static_cast<Status*>(context) = StatusOf(status); }};
  const CrashMarker marker(library->file(), "create");
  instance->object_ = plugin.create(instance->host_.get(), &args, &failure);
  if (!instance->object_) {
    return FailedPrecondition(library->file() + ": create '" + name +
                              "': " + (refusal.ok() ? "it failed without a reason" : refusal.message()));
  }
  return instance;
}

Instance::~Instance() {
  const CrashMarker marker(library_->file(), "destroy");
  if (object_) plugin_.destroy(object_);
}

const char* Instance::state_name() const {
  constexpr const char* kNames[] = {"created", "starting", "serving", "quiescing", "stopped"};
  return kNames[static_cast<std::size_t>(state_.load())];
}

template <typename Call>
Ask Instance::Put(std::size_t kind, AnswerFn done, Call call, std::function<void(std::string)> phase) {
  AskTable& asks = services_.asks;
  Worker* worker = Worker::Current();
  const sgw_ask ask = asks.Open(kind, worker ? *worker : services_.control, done, std::move(phase));
  const std::int32_t verdict = call(ask);
  PluginAnswer answer;
  if (!asks.TakeInline(ask, verdict != SGW_PENDING, answer)) return Ask(this, ask);
  done(std::move(answer));
  return {};
}

void Instance::Life(std::int32_t (*step)(sgw_instance*, sgw_ask), const char* phase, std::function<void(Status)> done) {
  const CrashMarker marker(library_->file(), phase);
  Put(
      kDone, [done = std::move(done)](PluginAnswer answer) { done(StatusOfAnswer(answer)); },
      [&](sgw_ask ask) { return step(object_, ask); })
      .Forget();
}

void Instance::Start(std::function<void(Status)> done) {
  state_ = State::kStarting;
  Life(plugin_.start, "start", [this, done = std::move(done)](Status status) {
    if (status.ok()) state_ = State::kServing;
    done(std::move(status));
  });
}

void Instance::Quiesce(std::function<void(Status)> done) {
  state_ = State::kQuiescing;
  Life(plugin_.quiesce, "quiesce", std::move(done));
}

void Instance::Stop(std::function<void(Status)> done) {
  Life(plugin_.stop, "stop", [this, done = std::move(done)](Status status) {
    state_ = State::kStopped;
    done(std::move(status));
  });
}

Ask Instance::Authenticate(const CallFacts& call, AnswerFn done) {
  const CallView view(call);
  return Put(kIdentity, std::move(done),
             [&](sgw_ask ask) { return plugin_.auth->authenticate(object_, view.get(), ask); });
}

Ask Instance::Route(const CallFacts& call, const Identity& identity, AnswerFn done) {
  const CallView view(call);
  const RawIdentity raw(identity);
  return Put(kRoute, std::move(done),
             [&](sgw_ask ask) { return plugin_.router->route(object_, view.get(), raw.get(), ask); });
}

Ask Instance::Acquire(const PoolRequest& request, AnswerFn done) {
  const CallView view(request.call);
  const RawIdentity identity(request.identity);
  const RawRoute route(request.route);
  sgw_pool_request raw{};
  raw.size = sizeof(raw);
  raw.create = request.create ? 1 : 0;
  raw.call = view.get();
  raw.identity = identity.get();
  raw.route = route.get();
  raw.key = View(request.key);
  return Put(
      kLease, std::move(done), [&](sgw_ask ask) { return plugin_.pool->acquire(object_, &raw, ask); },
      request.on_phase);
}

Ask Instance::Redeem(const std::string& lease_id, AnswerFn done) {
  return Put(kLease, std::move(done), [&](sgw_ask ask) { return plugin_.pool->redeem(object_, View(lease_id), ask); });
}

void Instance::Release(const std::string& lease_id, LeaseOutcome outcome) {
  plugin_.pool->release(object_, View(lease_id), static_cast<std::int32_t>(outcome));
}

Ask Instance::Resolve(const CallFacts& call, const Identity* identity, const sgw::Route& route, AnswerFn done) {
  const CallView view(call);
  const RawIdentity raw_identity(identity ? *identity : Identity());
  const RawRoute raw_route(route);
  return Put(kSnapshot, std::move(done), [&](sgw_ask ask) {
    return plugin_.discovery->resolve(object_, view.get(), identity ? raw_identity.get() : nullptr, raw_route.get(),
                                      ask);
  });
}

void Instance::Record(const sgw_record& record) { plugin_.audit->record(object_, &record); }

Ask Instance::Admit(const sgw_record& record, AnswerFn done) {
  return Put(kDone, std::move(done), [&](sgw_ask ask) { return plugin_.audit->admit(object_, &record, ask); });
}

std::string Instance::Describe() {
  std::string text;
  const auto append = [](void* context, sgw_view view) {
    static_cast<std::string*>(context)->append(view.data, view.size);
  };
  if (plugin_.describe && state_ == State::kServing) plugin_.describe(object_, {&text, append});
  return text.empty() ? "{}" : text;
}

void Instance::Render(const std::vector<FamilySnapshot>& families, std::string& content_type, std::string& body) {
  const RawMetrics raw(families);
  const auto append = [](void* context, sgw_view view) {
    static_cast<std::string*>(context)->append(view.data, view.size);
  };
  plugin_.metrics->render(object_, raw.get(), {&content_type, append}, {&body, append});
}

}  // namespace sgw::core
