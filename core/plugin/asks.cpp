#include "core/plugin/asks.h"

#include <utility>

namespace sgw::core {
namespace {

// A name, from the low end: shard, slot, generation. A generation is at least 1, so no name is 0.
constexpr unsigned kShardBits = 4;
constexpr unsigned kSlotBits = 20;
constexpr std::uint64_t kMaxGeneration = (std::uint64_t{1} << (64 - kShardBits - kSlotBits)) - 1;
constexpr std::size_t kMaxSlots = std::size_t{1} << kSlotBits;

std::size_t IndexOf(sgw_ask ask) { return (ask >> kShardBits) & (kMaxSlots - 1); }
std::uint64_t GenerationOf(sgw_ask ask) { return ask >> (kShardBits + kSlotBits); }

// Each thread has a shard that it asks from, so that workers do not meet at a lock.
std::size_t OwnShard(std::size_t shards) {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t own = next++;
  return own % shards;
}

bool Fits(std::size_t kind, const PluginAnswer& answer) {
  if (std::holds_alternative<Status>(answer)) return true;
  if (std::holds_alternative<Lapsed>(answer)) return kind == PluginAnswer(Identity()).index();
  if (std::holds_alternative<Next>(answer)) return kind != PluginAnswer(Done()).index();
  return answer.index() == kind;
}

}  // namespace

// The slot that the name once meant, which may be free or used again by now; null: there never was one.
AskTable::Slot* AskTable::Find(Shard& shard, sgw_ask ask) {
  const std::size_t index = IndexOf(ask);
  if (index >= shard.slots.size()) return nullptr;
  Slot& slot = shard.slots[index];
  const std::uint64_t generation = GenerationOf(ask);
  return generation == 0 || generation > slot.generation ? nullptr : &slot;
}

AskTable::Content AskTable::Take(Shard& shard, sgw_ask ask, Slot& slot, bool was_answered) {
  slot.state = State::kFree;
  slot.was_answered = was_answered;
  // A slot that has no generation left rests for good.
  if (slot.generation < kMaxGeneration) shard.free.push_back(static_cast<std::uint32_t>(IndexOf(ask)));
  return std::exchange(slot.content, {});
}

sgw_ask AskTable::Open(const InstanceLife& owner, std::size_t kind, Worker& worker, PhaseFn phase) {
  const std::size_t own = OwnShard(shards_.size());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const std::size_t number = (own + i) % shards_.size();
    Shard& shard = shards_[number];
    const std::lock_guard lock(shard.mutex);
    if (shard.free.empty()) {
      if (shard.slots.size() == kMaxSlots) continue;
      shard.free.push_back(static_cast<std::uint32_t>(shard.slots.size()));
      shard.slots.emplace_back();
    }
    const std::uint64_t index = shard.free.back();
    shard.free.pop_back();
    Slot& slot = shard.slots[index];
    ++slot.generation;
    slot.state = State::kAsking;
    slot.content.owner = &owner;
    slot.content.worker = &worker;
    slot.content.kind = kind;
    slot.content.phase = std::move(phase);
    return (slot.generation << (kShardBits + kSlotBits)) | (index << kShardBits) | number;
  }
  return 0;
}

bool AskTable::Settle(sgw_ask ask, std::int32_t verdict, AnswerFn& done, PluginAnswer& into) {
  Shard& shard = ShardOf(ask);
  std::unique_lock lock(shard.mutex);
  Slot& slot = shard.slots[IndexOf(ask)];
  if (slot.state == State::kAsking && verdict == SGW_PENDING) {
    slot.state = State::kWaiting;
    slot.content.done = std::move(done);
    return false;
  }
  const bool was_answered = slot.state == State::kHeld;
  Content taken = Take(shard, ask, slot, was_answered);
  lock.unlock();
  into = std::move(taken.answer);
  if (verdict == SGW_ANSWERED && into.index() == 0) {
    taken.owner->Count("missing");
    into = Internal("the plugin said that it had answered, and had not");
  }
  return true;
}

bool AskTable::Close(sgw_ask ask, PluginAnswer& unheard) {
  Shard& shard = ShardOf(ask);
  Content dropped;
  bool was_owed = false;
  {
    const std::lock_guard lock(shard.mutex);
    Slot* const slot = Find(shard, ask);
    if (!slot || slot->generation != GenerationOf(ask)) return false;
    was_owed = slot->state == State::kWaiting;
    if (!was_owed && slot->state != State::kPosted) return false;
    dropped = Take(shard, ask, *slot, !was_owed);
  }
  unheard = std::move(dropped.answer);
  return was_owed;
}

void AskTable::Abandon(const InstanceLife& owner) {
  for (std::size_t number = 0; number < shards_.size(); ++number) {
    Shard& shard = shards_[number];
    const std::lock_guard lock(shard.mutex);
    for (std::size_t index = 0; index < shard.slots.size(); ++index) {
      Slot& slot = shard.slots[index];
      if (slot.state != State::kWaiting || slot.content.owner != &owner) continue;
      owner.Count("never");
      slot.state = State::kPosted;
      slot.content.answer = Unavailable("The step '" + owner.name + "' was stopped.");
      const sgw_ask ask = (slot.generation << (kShardBits + kSlotBits)) | (index << kShardBits) | number;
      slot.content.worker->Post([this, ask] { Deliver(ask); });
    }
  }
}

bool AskTable::Answer(const InstanceLife& from, sgw_ask ask, PluginAnswer&& answer) {
  Shard& shard = ShardOf(ask);
  const char* misuse = nullptr;
  bool has_effect = false;
  {
    const std::lock_guard lock(shard.mutex);
    Slot* const slot = Find(shard, ask);
    if (!slot) {
      misuse = "unknown";
    } else if (slot->generation != GenerationOf(ask)) {
      misuse = "late";
    } else if (slot->state == State::kFree) {
      misuse = slot->was_answered ? "twice" : "late";
    } else if (slot->content.owner != &from) {
      misuse = "foreign";
    } else if (slot->state == State::kHeld || slot->state == State::kPosted) {
      misuse = "twice";
    } else {
      has_effect = Fits(slot->content.kind, answer);
      if (!has_effect) {
        misuse = "wrong_kind";
        answer = Internal("the plugin gave an answer of another kind");
      }
      slot->content.answer = std::move(answer);
      if (slot->state == State::kAsking) {
        slot->state = State::kHeld;
      } else {
        slot->state = State::kPosted;
        slot->content.worker->Post([this, ask] { Deliver(ask); });
      }
    }
  }
  if (misuse) from.Count(misuse);
  return has_effect;
}

void AskTable::Deliver(sgw_ask ask) {
  Shard& shard = ShardOf(ask);
  Content taken;
  {
    const std::lock_guard lock(shard.mutex);
    Slot* const slot = Find(shard, ask);
    if (!slot || slot->generation != GenerationOf(ask) || slot->state != State::kPosted) return;
    taken = Take(shard, ask, *slot, true);
  }
  taken.done(std::move(taken.answer));
}

void AskTable::ReportPhase(const InstanceLife& from, sgw_ask ask, std::string phase) {
  Shard& shard = ShardOf(ask);
  const std::lock_guard lock(shard.mutex);
  const Slot* const slot = Find(shard, ask);
  if (!slot || slot->generation != GenerationOf(ask) || slot->content.owner != &from || !slot->content.phase) return;
  if (slot->state != State::kAsking && slot->state != State::kWaiting) return;
  slot->content.worker->Post(
      [tell = slot->content.phase, phase = std::move(phase)]() mutable { tell(std::move(phase)); });
}

}  // namespace sgw::core
