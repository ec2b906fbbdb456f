#include "core/session/operations.h"

#include <algorithm>
#include <functional>

namespace sgw::core {
namespace {

// Spark abandons an operation that nobody reads after 5 minutes.
constexpr auto kForgottenAfter = std::chrono::minutes(10);
constexpr std::size_t kMaxRunning = 1'000;
constexpr std::size_t kMaxIdBytes = 64;  // a UUID has 36

std::size_t HashOf(const std::string& id) { return std::hash<std::string>()(id); }

}  // namespace

void Operations::Open(const std::string& id, bool is_start, SteadyTime now, Hold& hold) {
  if (is_over_) return;
  if (is_start) std::replace(ended_.begin(), ended_.end(), HashOf(id), std::size_t{0});
  const auto at = running_.find(id);
  if (at == running_.end()) {
    if (is_kept(id)) running_.emplace(id, Operation{now, 1, is_start, std::move(hold)});
    return;
  }
  ++at->second.streams;
  at->second.is_known |= is_start;
}

bool Operations::Close(const std::string& id, Closing how, bool is_known, SteadyTime now, Hold& hold) {
  const auto at = running_.find(id);
  // What ran then was told of.
  if (is_over_) return is_known && !has_ended(id) && (at == running_.end() || !at->second.is_known);
  if (at == running_.end()) {
    if (how == Closing::kPauses && is_kept(id)) running_.emplace(id, Operation{now, 0, is_known, std::move(hold)});
    return how != Closing::kPauses && is_known && NoteEnded(id);
  }
  Operation& operation = at->second;
  operation.heard = now;
  operation.is_known |= is_known;
  if (operation.streams > 0) --operation.streams;
  if (how == Closing::kPauses || (how == Closing::kFails && operation.streams > 0)) return false;
  const bool did_run = operation.is_known;
  running_.erase(at);
  return did_run && NoteEnded(id);
}

bool Operations::Release(const std::string& id) {
  const auto at = running_.find(id);
  if (is_over_ || at == running_.end()) return false;
  running_.erase(at);
  return NoteEnded(id);
}

std::vector<std::string> Operations::EndAll() {
  is_over_ = true;
  std::vector<std::string> ids;
  for (auto& [id, operation] : running_) {
    operation.hold.Release();
    if (operation.is_known && !has_ended(id)) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> Operations::Forget(SteadyTime now) {
  std::vector<std::string> ids;
  std::erase_if(running_, [&](const auto& one) {
    const auto& [id, operation] = one;
    if (operation.streams > 0 || now - operation.heard <= kForgottenAfter) return false;
    if (operation.is_known && NoteEnded(id)) ids.push_back(id);
    return true;
  });
  return ids;
}

bool Operations::is_kept(const std::string& id) const {
  return id.size() <= kMaxIdBytes && running_.size() < kMaxRunning;
}

bool Operations::has_ended(const std::string& id) const {
  return std::find(ended_.begin(), ended_.end(), HashOf(id)) != ended_.end();
}

bool Operations::NoteEnded(const std::string& id) {
  if (has_ended(id)) return false;
  ended_[next_ended_++ % ended_.size()] = HashOf(id);
  return true;
}

}  // namespace sgw::core
