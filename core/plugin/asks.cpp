#include "core/plugin/asks.h"

namespace sgw::core {
namespace {

Series& Misuse(MetricsRegistry& metrics, const char* reason) {
  return metrics.Counter("spark_gateway_plugin_answer_misuse_total",
                         "Answers of plugins that broke the rules and had no effect.", {{"reason", reason}});
}

bool Fits(std::size_t kind, const PluginAnswer& answer) {
  if (std::holds_alternative<Status>(answer)) return true;
  if (std::holds_alternative<Next>(answer)) return kind != PluginAnswer(Done()).index();
  return answer.index() == kind;
}

}  // namespace

AskTable::AskTable(MetricsRegistry& metrics)
    : without_effect_(Misuse(metrics, "late_or_twice")),
      wrong_kind_(Misuse(metrics, "wrong_kind")),
      unanswered_(Misuse(metrics, "said_answered_but_did_not")) {}

sgw_ask AskTable::Open(std::size_t kind, Worker& worker, AnswerFn done, std::function<void(std::string)> phase) {
  const sgw_ask ask = next_++;
  Shard& shard = ShardOf(ask);
  const std::lock_guard lock(shard.mutex);
  shard.pending.emplace(ask, Pending{kind, &worker, std::move(done), std::move(phase), true, {}});
  return ask;
}

bool AskTable::TakeInline(sgw_ask ask, bool is_answered, PluginAnswer& into) {
  Shard& shard = ShardOf(ask);
  Pending taken;
  {
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.pending.find(ask);
    if (at == shard.pending.end()) return false;
    Pending& pending = at->second;
    pending.is_inline = false;
    if (pending.answer.index() == 0) {
      if (!is_answered) return false;
      unanswered_.Add(1);
      pending.answer = Internal("the plugin said that it had answered, and had not");
    }
    taken = std::move(pending);
    shard.pending.erase(at);
  }
  into = std::move(taken.answer);
  return true;
}

bool AskTable::Close(sgw_ask ask) {
  Shard& shard = ShardOf(ask);
  Pending dropped;
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.pending.find(ask);
  if (at == shard.pending.end()) return false;
  dropped = std::move(at->second);
  shard.pending.erase(at);
  return true;
}

bool AskTable::Answer(sgw_ask ask, PluginAnswer answer) {
  Shard& shard = ShardOf(ask);
  Pending taken;
  {
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.pending.find(ask);
    if (at == shard.pending.end() || at->second.answer.index() != 0) {
      without_effect_.Add(1);
      return false;
    }
    Pending& pending = at->second;
    if (!Fits(pending.kind, answer)) {
      wrong_kind_.Add(1);
      answer = Internal("the plugin gave an answer of another kind");
    }
    if (pending.is_inline) {
      pending.answer = std::move(answer);
      return true;
    }
    taken = std::move(pending);
    shard.pending.erase(at);
  }
  taken.worker->Post([done = std::move(taken.done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
  return true;
}

void AskTable::ReportPhase(sgw_ask ask, std::string phase) {
  Shard& shard = ShardOf(ask);
  std::function<void(std::string)> tell;
  Worker* worker = nullptr;
  {
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.pending.find(ask);
    if (at == shard.pending.end() || !at->second.phase) return;
    tell = at->second.phase;
    worker = at->second.worker;
  }
  worker->Post([tell = std::move(tell), phase = std::move(phase)]() mutable { tell(std::move(phase)); });
}

}  // namespace sgw::core
