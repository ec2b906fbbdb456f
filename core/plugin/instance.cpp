#include "core/plugin/instance.h"

#include <algorithm>

#include "core/plugin/host.h"
#include "core/plugin/putting.h"
#include "core/plugin/raw_views.h"

namespace sgw::core {
namespace {

Status StatusOfAnswer(PluginAnswer& answer) {
  if (auto* status = std::get_if<Status>(&answer)) return std::move(*status);
  return {};
}

// A text sink that appends to a std::string, at most 64 MiB.
void AppendText(void* context, sgw_view view) {
  auto& text = *static_cast<std::string*>(context);
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
  if (view.data && view.size <= kMaxBytes - std::min(text.size(), kMaxBytes)) text.append(view.data, view.size);
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
  Instance* const instance = std::exchange(instance_, nullptr);
  if (!instance) return;
  PluginAnswer unheard;
  const bool is_owed = instance->services_.asks.Close(id_, unheard);
  if (is_owed && instance->plugin_.cancel) {
    instance->life().Enter("cancel", [&] { instance->plugin_.cancel(instance->object_, id_); });
  }
  if (const auto* lease = std::get_if<Lease>(&unheard)) instance->Release(lease->id, LeaseOutcome::kUnclaimed);
}

Instance::Instance(std::shared_ptr<Library> library, std::string name, HostServices& services)
    : library_(std::move(library)),
      name_(std::move(name)),
      services_(services),
      host_(
          new sgw_host{*this, services_,
                       std::make_shared<InstanceLife>(services_.metrics, services_.secrets, library_->file(), name_)}),
      plugin_(*library_->plugin()) {}

const InstanceLife& Instance::life() const { return *host_->life; }

bool Instance::AwaitQuiet(std::chrono::milliseconds timeout) const {
  return services_.blocking.AwaitEnd(host_->life.get(), timeout);
}

std::uint64_t Instance::identities_forgotten() const { return life().identities_forgotten; }

Result<std::unique_ptr<Instance>> Instance::Create(std::shared_ptr<Library> library, const std::string& name,
                                                   const CheckedSettings& settings, const std::string& directory,
                                                   HostServices& services) {
  std::unique_ptr<Instance> instance(new Instance(std::move(library), name, services));
  instance->host_->secret_files = settings.secret_files;
  for (const std::string& secret : settings.secrets) services.secrets.Add(secret);
  sgw_create_args args{};
  args.size = sizeof(args);
  args.instance_name = View(instance->name_);
  args.settings_json = View(settings.json);
  args.configuration_directory = View(directory);
  Status refusal;
  const sgw_failure failure{
      &refusal, [](void* context, const sgw_status* status) { *static_cast<Status*>(context) = StatusOf(status); }};
  std::string why = "it failed without a reason. Ask its author.";
  const auto create = [&] { instance->object_ = instance->plugin_.create(instance->host_.get(), &args, &failure); };
  const bool has_returned = instance->life().Enter("create", create, &why);
  if (instance->object_) return instance;
  if (has_returned && !refusal.ok()) why = services.secrets.Hide(refusal.message());
  return FailedPrecondition(instance->library().file() + ": create '" + name + "': " + why);
}

Instance::~Instance() {
  life_.Cancel();
  host_->life->is_over = true;
  TakeBack(*host_);
  services_.asks.Abandon(life());
  if (!object_) return;
  life().Enter("destroy", [this] { plugin_.destroy(object_); });
  TakeBack(*host_);
}

const char* Instance::state_name() const {
  constexpr const char* kNames[] = {"created", "starting", "serving", "quiescing", "stopped"};
  return kNames[static_cast<std::size_t>(state_.load())];
}

void Instance::Life(std::int32_t (*step)(sgw_instance*, sgw_ask), const char* phase, std::function<void(Status)> done) {
  life_.Cancel();
  life_ = Put(
      phase, PluginAnswer(Done()).index(),
      [this, done = std::move(done)](PluginAnswer answer) {
        life_.Forget();
        done(StatusOfAnswer(answer));
      },
      [&](sgw_ask ask) { return step(object_, ask); });
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
  state_ = State::kQuiescing;
  Life(plugin_.stop, "stop", [this, done = std::move(done)](Status status) {
    state_ = State::kStopped;
    services_.asks.Abandon(life());
    done(std::move(status));
  });
}

void Instance::Release(const std::string& lease_id, LeaseOutcome outcome) {
  if (tag().kind != StepKind::kHotPool) return;
  {
    const std::lock_guard lock(host_->life->mutex);
    host_->life->leases.erase(lease_id);
  }
  life().Enter("release", [&] { plugin_.pool->release(object_, View(lease_id), static_cast<std::int32_t>(outcome)); });
}

void Instance::Record(const sgw_record& record) {
  life().Enter("record", [&] { plugin_.audit->record(object_, &record); });
}

std::string Instance::Describe() {
  std::string text;
  if (SGW_HAS(&plugin_, describe) && plugin_.describe && state_ == State::kServing) {
    life().Enter("describe", [&] { plugin_.describe(object_, {&text, AppendText}); });
  }
  return text.empty() ? "{}" : services_.secrets.HideInJson(std::move(text));
}

void Instance::Render(const std::vector<FamilySnapshot>& families, std::string& content_type, std::string& body) {
  const RawMetrics raw(families);
  life().Enter("render", [&] {
    plugin_.metrics->render(object_, raw.get(), {&content_type, AppendText}, {&body, AppendText});
  });
}

}  // namespace sgw::core
