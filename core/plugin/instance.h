// Instance: one plugin object of the configuration, asked through typed functions.
//
// Questions may be asked from any worker. The answer comes exactly once: in line, when the plugin gave it at once, or
// later on the asker's worker. An Ask is the right to the answer: dropping it means that nobody wants it any more, the
// plugin is told, and a lease that was on its way goes back.
#pragma once

#include <sgw/abi.h>
#include <sgw/values.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/plugin/answers.h"
#include "core/plugin/call_facts.h"
#include "core/plugin/library.h"
#include "core/plugin/services.h"

namespace sgw::core {

class Instance;

// Move-only. Destroying a pending one cancels it: the answer will not come. It is on the asker's worker, and goes
// before the instance.
class Ask {
 public:
  Ask() = default;
  Ask(Instance* instance, sgw_ask id) : instance_(instance), id_(id) {}
  Ask(Ask&& other) noexcept : instance_(std::exchange(other.instance_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  Ask& operator=(Ask&& other) noexcept;
  ~Ask() { Cancel(); }
  void Cancel();
  // The answer has come; there is nothing to cancel.
  void Forget() { instance_ = nullptr; }
  bool is_pending() const { return instance_ != nullptr; }

 private:
  Instance* instance_ = nullptr;
  sgw_ask id_ = 0;
};

class Instance {
 public:
  enum class State : std::uint8_t { kCreated, kStarting, kServing, kQuiescing, kStopped };

  // Makes the plugin's object; on the control thread. The library is loaded.
  static Result<std::unique_ptr<Instance>> Create(std::shared_ptr<Library> library, const std::string& name,
                                                  const CheckedSettings& settings, const std::string& directory,
                                                  HostServices& services);
  // Destroys the object; it was stopped, or never started. Whatever it still has borrowed is taken back first. On the
  // control thread.
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const std::string& name() const { return name_; }
  const Library& library() const { return *library_; }
  const Tag& tag() const { return library_->tag(); }
  State state() const { return state_; }
  const char* state_name() const;

  // The steps of its life, asked on the control thread; `done` runs there, too, once, unless the next step is asked or
  // the instance is destroyed before the answer.
  void Start(std::function<void(Status)> done);
  void Quiesce(std::function<void(Status)> done);
  void Stop(std::function<void(Status)> done);

  // Waits until none of its blocking work is left; false: it took longer. Not on the control thread.
  bool AwaitQuiet(std::chrono::milliseconds timeout) const;

  // How often the plugin has said that what is remembered of its answers is void. Any thread.
  std::uint64_t identities_forgotten() const;

  // Questions. Each may be asked only of an instance of its kind that serves. When the answer is in line, `done` was
  // called before the function returns, and the Ask is not pending. On the asker's worker. `done` hears the kind's
  // value, Next or Status.
  Ask Authenticate(const CallFacts& call, AnswerFn done);
  Ask Route(const CallFacts& call, const Identity& identity, AnswerFn done);
  struct PoolRequest {
    const CallFacts& call;
    const Identity& identity;
    const sgw::Route& route;
    const std::string& key;
    bool create = false;
    PhaseFn on_phase;
  };
  Ask Acquire(const PoolRequest& request, AnswerFn done);
  Ask Redeem(const std::string& lease_id, AnswerFn done);
  // Gives a lease back; once per lease. Any thread.
  void Release(const std::string& lease_id, LeaseOutcome outcome);
  // `identity`: null when the pipeline has no auth step.
  Ask Resolve(const CallFacts& call, const Identity* identity, const sgw::Route& route, AnswerFn done);

  // The session store. Each hears the binding that holds afterwards (Remove: the one that it removed), or Next: none.
  Ask BindIfAbsent(std::string_view key, std::string_view binding, std::chrono::milliseconds ttl, AnswerFn done);
  Ask LookUp(std::string_view key, AnswerFn done);
  Ask Touch(std::string_view key, std::chrono::milliseconds ttl, AnswerFn done);
  Ask Remove(std::string_view key, AnswerFn done);

  // Told what happened. Views of the record are borrowed.
  void Record(const sgw_record& record);
  // Only with the capability "admit". `done` hears Done or Status.
  Ask Admit(const sgw_record& record, AnswerFn done);

  // Admin thread.
  std::string Describe();
  void Render(const std::vector<FamilySnapshot>& families, std::string& content_type, std::string& body);

 private:
  friend class Ask;

  Instance(std::shared_ptr<Library> library, std::string name, HostServices& services);
  const InstanceLife& life() const;
  template <typename Call>
  Ask Put(const char* phase, std::size_t kind, AnswerFn done, Call call, PhaseFn on_phase = {});
  void Life(std::int32_t (*step)(sgw_instance*, sgw_ask), const char* phase, std::function<void(Status)> done);

  const std::shared_ptr<Library> library_;
  const std::string name_;
  HostServices& services_;
  const std::unique_ptr<sgw_host> host_;
  const sgw_plugin& plugin_;
  sgw_instance* object_ = nullptr;
  std::atomic<State> state_{State::kCreated};
  Ask life_;  // the step of life that is being taken
};

}  // namespace sgw::core
