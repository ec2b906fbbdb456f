// AskTable: every question that waits for a plugin's answer.
//
// A question is named by a number that is never used again, so an answer that is late, doubled, made up or of the wrong
// kind finds nothing, is counted, and does nothing else. Safe for concurrent use.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/plugin/answers.h"
#include "core/worker/metrics_registry.h"
#include "core/worker/worker.h"

namespace sgw::core {

using AnswerFn = std::function<void(PluginAnswer)>;

class AskTable {
 public:
  explicit AskTable(MetricsRegistry& metrics);

  // Opens a question that the calling thread is about to ask. `kind` is the index of the value's type in PluginAnswer.
  // The answer is given to `done` on `worker`.
  sgw_ask Open(std::size_t kind, Worker& worker, AnswerFn done, std::function<void(std::string)> phase = {});
  // The plugin has returned. Gives the answer when one came meanwhile; otherwise it will be posted. `is_answered`: the
  // plugin says that it has answered; when it has not, the answer is INTERNAL.
  bool TakeInline(sgw_ask ask, bool is_answered, PluginAnswer& into);
  // Nobody wants the answer any more. False: it has been given already, or never existed.
  bool Close(sgw_ask ask);

  // An answer arrives. False: it had no effect.
  bool Answer(sgw_ask ask, PluginAnswer answer);
  void ReportPhase(sgw_ask ask, std::string phase);

 private:
  struct Pending {
    std::size_t kind;
    Worker* worker;
    AnswerFn done;
    std::function<void(std::string)> phase;
    bool is_inline = true;  // the asking thread is still inside the plugin
    PluginAnswer answer;
  };
  struct Shard {
    std::mutex mutex;  // Guards pending.
    std::unordered_map<sgw_ask, Pending> pending;
  };
  Shard& ShardOf(sgw_ask ask) { return shards_[ask % shards_.size()]; }

  std::atomic<sgw_ask> next_{1};
  std::array<Shard, 16> shards_;
  Series& without_effect_;
  Series& wrong_kind_;
  Series& unanswered_;
};

}  // namespace sgw::core
