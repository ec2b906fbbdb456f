// Pipeline: the steps of one configuration, asked in their order.
//
// Steps of one kind are alternatives: the first that does not say Next decides. Every question may be pending; the run
// goes on where it was asked, on the same worker. A Run is the right to the answer: dropping it cancels what is
// pending, and an answer that comes all the same has no effect: a lease in it goes back.
//
// A pending answer has the step's `hold` (`give_up` for one that makes servers), then the question is cancelled and
// ends UNAVAILABLE. What goes wrong with an auth step, in whichever way, refuses the call.
//
// Immutable and safe for concurrent use. Pins its generation.
#pragma once

#include <sgw/values.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/config/config.h"
#include "core/pipeline/call_context.h"
#include "core/plugin/generation.h"

namespace sgw::core {

// A run of questions; see above.
class Run {
 public:
  virtual ~Run() = default;
};
// A run that others refer to as well, and drop when this goes: by its Drop().
template <typename T>
class RunOf final : public Run {
 public:
  explicit RunOf(std::shared_ptr<T> run) : run_(std::move(run)) {}
  ~RunOf() override { run_->Drop(); }

 private:
  const std::shared_ptr<T> run_;
};

// So begins what callers hear when a hot-pool(create) step took its give_up.
inline constexpr std::string_view kNotMadeInTime = "No server could be made in time";

// A server for a sharing key.
struct Found {
  Endpoint endpoint;
  std::string lease_id;        // of a hot pool; empty for a discovered endpoint
  Instance* source = nullptr;  // who gave it
};

class Pipeline {
 public:
  // One instance in its place.
  struct Step {
    StepConfig config;
    Instance* instance;
    Series* duration;
    Series* refusals;
  };

  // The configuration was found to make sense (CheckPipeline), and every instance is in the generation.
  Pipeline(const Config& config, std::shared_ptr<Generation> generation, MetricsRegistry& metrics);

  bool has_auth() const { return !auth_.empty(); }
  bool has_router() const { return !router_.empty(); }
  // Whether servers may be leased.
  bool has_pools() const { return endpoint_.size() > discoveries_.size(); }
  // Whether an operation's start is to be admitted.
  bool has_admission() const { return !admitters_.empty(); }
  Generation& generation() const { return *generation_; }
  // How long one caller is kept waiting for a server: the longest hold of the steps that may make one.
  std::chrono::milliseconds hold() const { return hold_; }

  using Done = std::function<void(Status)>;
  // Sets context.identity. UNAUTHENTICATED when every step says Next, or the identity has expired. `done` is called
  // exactly once, perhaps before the function returns; not after the Run was dropped. The context outlives the Run.
  // With several auth steps the identity's realm is the name of the one that knew the caller. Nobody is asked when the
  // call's connection remembers who this is.
  std::unique_ptr<Run> Authenticate(CallContext& context, Done done) const;
  // Sets context.route; without a router it stays empty and `done` hears OK.
  std::unique_ptr<Run> FindRoute(CallContext& context, Done done) const;

  struct EndpointRequest {
    std::shared_ptr<const CallFacts> facts;    // of the first caller
    std::shared_ptr<const Identity> identity;  // null without an auth step
    std::shared_ptr<const Route> route;
    std::string key;
    // A call that is routed by itself: it leases nothing, so hot pools are not asked.
    bool is_without_session = false;
    // Chooses among discovered endpoints; none: nothing there is to be used now.
    std::function<std::optional<Endpoint>(const std::vector<Endpoint>&)> choose;
    std::function<void(const std::string& phase)> on_phase;
  };
  // Asks hot-pool, discovery and hot-pool(create) steps in their order. FAILED_PRECONDITION when nobody has such
  // servers, UNAVAILABLE when one knows the namespace and nothing is ready, or a step took longer than it may.
  std::unique_ptr<Run> FindEndpoint(EndpointRequest request, std::function<void(Result<Found>)> done) const;

  // Whether the operation may start: every audit that has a say is asked. The record outlives the Run.
  std::unique_ptr<Run> Admit(const sgw_record& record, Done done) const;
  // Whether anybody is told of records.
  bool has_observers() const { return !audits_.empty(); }
  // Tells every observer.
  void Record(const sgw_record& record) const;
  // The first metrics instance; null when there is none.
  Instance* renderer() const { return renderer_; }

 private:
  Remembered::Asked AskedNow() const;

  std::shared_ptr<Generation> generation_;
  const std::uint64_t number_;  // no other pipeline has it
  std::vector<Step> auth_;
  std::size_t remembered_ = 0;  // so many steps of auth_, from the first on, give answers that may be remembered
  std::vector<Step> router_;
  std::vector<Step> endpoint_;
  std::vector<Step> discoveries_;  // those of endpoint_
  std::vector<Step> admitters_;
  std::vector<Instance*> audits_;
  Instance* renderer_ = nullptr;
  std::chrono::milliseconds hold_{};
  // Refusals when every step of a kind said Next.
  Series& nobody_knew_;
  Series& nobody_routed_;
  Series& nobody_had_;
  Series& remembered_identities_;
};

// Complains about an order that the plugins' tags forbid: an instance of another kind than its step, a step behind one
// that never says Next, a `create` that the plugin does not offer, a session store (sessions are kept by this process).
void CheckPipeline(const Config& config, const InspectedPlugins& plugins, Complaints& complaints);

}  // namespace sgw::core
