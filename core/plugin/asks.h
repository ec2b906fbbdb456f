// AskTable: the slots of all questions that wait for a plugin's answer.
//
// A question is named by a slot and the slot's generation, and no later question has that name again: an answer that is
// late, doubled, made up, another instance's or of the wrong kind finds nothing to fill, is counted by its reason, and
// does nothing else. A question that is answered in line takes a slot that is there and gives it back; nothing is
// allocated for it.
//
// Safe for concurrent use.
#pragma once

#include <sgw/abi.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/plugin/answers.h"
#include "core/plugin/instance_life.h"
#include "core/worker/worker.h"

namespace sgw::core {

// The answer is the callee's to take from.
using AnswerFn = std::function<void(PluginAnswer&&)>;
using PhaseFn = std::function<void(std::string)>;

class AskTable {
 public:
  // Opens a question of one instance that the calling thread is about to ask. `kind` is the index of the value's type
  // in PluginAnswer. Answers and phases are given on `worker`. 0: there are too many.
  sgw_ask Open(const InstanceLife& owner, std::size_t kind, Worker& worker, PhaseFn phase);

  // The plugin's function has returned this verdict. True: `into` is the answer, and `done` was left alone. False: the
  // answer will be given to `done`, once, on the worker, unless Close() comes first.
  bool Settle(sgw_ask ask, std::int32_t verdict, AnswerFn& done, PluginAnswer& into);

  // Nobody wants the answer any more; `done` will not be called. On the worker. True: the plugin still owed the answer.
  // `unheard` is one that was on its way.
  bool Close(sgw_ask ask, PluginAnswer& unheard);

  // The instance is going: whoever still waits for it hears UNAVAILABLE.
  void Abandon(const InstanceLife& owner);

  // An answer arrives, on any thread. False: it had no effect.
  bool Answer(const InstanceLife& from, sgw_ask ask, PluginAnswer&& answer);
  void ReportPhase(const InstanceLife& from, sgw_ask ask, std::string phase);

 private:
  enum class State : std::uint8_t {
    kFree,
    kAsking,   // the asking thread is inside the plugin
    kHeld,     // so it is, and the answer is here
    kWaiting,  // the answer comes later
    kPosted,   // the answer is on its way to the worker
  };
  struct Content {
    const InstanceLife* owner = nullptr;
    Worker* worker = nullptr;
    std::size_t kind = 0;
    AnswerFn done;
    PhaseFn phase;
    PluginAnswer answer;
  };
  struct Slot {
    std::uint64_t generation = 0;
    State state = State::kFree;
    bool was_answered = false;  // how the last question ended, when free
    Content content;
  };
  struct Shard {
    std::mutex mutex;  // Guards slots and free.
    std::deque<Slot> slots;
    std::vector<std::uint32_t> free;
  };

  Shard& ShardOf(sgw_ask ask) { return shards_[ask % shards_.size()]; }
  static Slot* Find(Shard& shard, sgw_ask ask);
  static Content Take(Shard& shard, sgw_ask ask, Slot& slot, bool was_answered);
  void Deliver(sgw_ask ask);

  std::array<Shard, 16> shards_;
};

}  // namespace sgw::core
