// Instance: one plugin object of the configuration, asked through typed functions.
//
// Questions may be asked from any worker. The answer comes exactly once: in line, when the plugin gave it at once, or
// later on the asker's worker. An Ask is the right to the answer: dropping it means that nobody wants it any more, and
// the plugin is told.
#pragma once

#include <sgw/abi.h>
#include <sgw/values.h>

#include <functional>
#include <memory>
#include <string>

#include "core/plugin/answers.h"
#include "core/plugin/call_facts.h"
#include "core/plugin/library.h"
#include "core/plugin/services.h"

namespace sgw::core {

class Instance;

// Move-only. Destroying a pending one cancels it.
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
                                                  const std::string& settings_json, const std::string& directory,
                                                  HostServices& services);
  // Destroys the object; it was stopped, or never started. On the control thread.
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const std::string& name() const { return name_; }
  const Library& library() const { return *library_; }
  const Tag& tag() const { return library_->tag(); }
  State state() const { return state_; }
  const char* state_name() const;

  // The steps of its life, asked on the control thread; `done` runs there, too, exactly once.
  void Start(std::function<void(Status)> done);
  void Quiesce(std::function<void(Status)> done);
  void Stop(std::function<void(Status)> done);

  // Questions. Each may be asked only of an instance of its kind. When the answer is in line, `done` was called before
  // the function returns, and the Ask is not pending. On the asker's worker.
  Ask Authenticate(const CallFacts& call, AnswerFn done);
  Ask Route(const CallFacts& call, const Identity& identity, AnswerFn done);
  struct PoolRequest {
    const CallFacts& call;
    const Identity& identity;
    const sgw::Route& route;
    const std::string& key;
    bool create = false;
    std::function<void(std::string)> on_phase;
  };
  Ask Acquire(const PoolRequest& request, AnswerFn done);
  Ask Redeem(const std::string& lease_id, AnswerFn done);
  // Gives a lease back; once per lease. Any thread.
  void Release(const std::string& lease_id, LeaseOutcome outcome);
  Ask Resolve(const CallFacts& call, const Identity* identity, const sgw::Route& route, AnswerFn done);

  // Told what happened. Views of the record are borrowed.
  void Record(const sgw_record& record);
  Ask Admit(const sgw_record& record, AnswerFn done);

  // Admin thread.
  std::string Describe();
  void Render(const std::vector<FamilySnapshot>& families, std::string& content_type, std::string& body);

 private:
  friend class Ask;
  friend struct HostTable;

  Instance(std::shared_ptr<Library> library, std::string name, HostServices& services);
  template <typename Call>
  Ask Put(std::size_t kind, AnswerFn done, Call call, std::function<void(std::string)> phase = {});
  void Life(std::int32_t (*step)(sgw_instance*, sgw_ask), const char* phase, std::function<void(Status)> done);

  const std::shared_ptr<Library> library_;
  const std::string name_;
  HostServices& services_;
  const std::unique_ptr<sgw_host> host_;
  const sgw_plugin& plugin_;
  sgw_instance* object_ = nullptr;
  std::atomic<State> state_{State::kCreated};
};

// The table that is given to every plugin.
const sgw_host_table& HostFunctions();

}  // namespace sgw::core

// The host as one instance sees it.
struct sgw_host {
  sgw::core::Instance* instance = nullptr;
  sgw::core::HostServices* services = nullptr;
};
