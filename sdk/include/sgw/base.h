// Plugin: what all kinds have in common, their life.
//
// The gateway makes an instance by its constructor `(Settings, Host&)`, then Start, questions, Quiesce, Stop, and the
// destructor. All five run on the control thread. A constructor that throws refuses its settings: the text of the
// exception is shown to the operator.
#pragma once

#include <sgw/completion.h>
#include <sgw/status.h>

#include <string>

namespace sgw {

// The settings of a plugin that has none.
struct NoSettings {};

class Plugin {
 public:
  Plugin() = default;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  virtual ~Plugin() = default;

  // Begins work: reads the source, opens the file. OK says that the instance is ready to be asked; anything else ends
  // the start of the gateway with this sentence.
  virtual void Start(Completion<Status> done) { done(Status()); }
  // No new question will come; running ones may still be answered. Write what is queued, then answer.
  virtual void Quiesce(Completion<Status> done) { done(Status()); }
  // Ends all work: threads joined, children stopped. Timers, watches and other callbacks of the Host are silent once
  // this was answered.
  virtual void Stop(Completion<Status> done) { done(Status()); }
  // The instance's state for operators, as one JSON value without secrets (see <sgw/json.h>). Admin thread. For hot
  // pools and discoveries the shape is fixed, see sgw_plugin::describe in <sgw/abi.h>.
  virtual std::string Describe() const { return "{}"; }
};

}  // namespace sgw
