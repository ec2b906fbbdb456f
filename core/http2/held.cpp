#include "core/http2/held.h"

#include <algorithm>
#include <iterator>

#include "core/worker/worker.h"

namespace sgw::core {

// The holders of one worker in the order of what they hold, without those that were told to let go.
class HolderRanking {
 public:
  explicit HolderRanking(Worker& worker) : worker_(worker) {}

  // The holder holds more or less than before.
  void Moved(Holder& holder) {
    if (!holder.is_linked()) {
      if (holder.bytes_ > 0 && !holder.is_condemned_) set_.insert(holder);
    } else if (holder.bytes_ == 0 || holder.is_condemned_ || !IsInPlace(holder)) {
      set_.erase(set_.iterator_to(holder));
      if (holder.bytes_ > 0 && !holder.is_condemned_) set_.insert(holder);
    }
    const std::size_t most = set_.empty() ? 0 : set_.rbegin()->bytes_;
    if (most != most_.load(std::memory_order_relaxed)) most_.store(most, std::memory_order_relaxed);
  }

  // Who holds the most, of this connection or of all. Null: nobody.
  Holder* Most(const HeldAccount* account) {
    for (auto at = set_.rbegin(); at != set_.rend(); ++at) {
      if (!account || at->account_.get() == account) return &*at;
    }
    return nullptr;
  }

  // What that one holds. Any thread.
  std::size_t most() const { return most_.load(std::memory_order_relaxed); }

 private:
  friend class BufferBudget;
  struct ByBytes {
    bool operator()(const Holder& a, const Holder& b) const { return a.bytes_ < b.bytes_; }
  };

  bool IsInPlace(Holder& holder) {
    const auto at = set_.iterator_to(holder);
    if (at != set_.begin() && std::prev(at)->bytes_ > holder.bytes_) return false;
    const auto next = std::next(at);
    return next == set_.end() || next->bytes_ >= holder.bytes_;
  }

  Worker& worker_;
  boost::intrusive::multiset<Holder, boost::intrusive::compare<ByBytes>> set_;
  alignas(64) std::atomic<std::size_t> most_{0};
  std::atomic<bool> is_asked_{false};  // another worker has posted that this one is to look
};

HeldAccount::HeldAccount(Worker& worker, std::size_t bound, BufferBudget* process,
                         std::function<void(const char*)> incident)
    : limit(bound),
      budget(process),
      on_incident(std::move(incident)),
      ranking(process ? process->RankingOf(worker) : std::make_shared<HolderRanking>(worker)) {}

void Holder::Count(std::size_t bytes) {
  if (bytes == 0) return;
  bytes_ += bytes;
  account_->bytes += bytes;
  if (account_->budget) account_->budget->held.fetch_add(bytes, std::memory_order_relaxed);
  account_->ranking->Moved(*this);
}

void Holder::Hold(std::size_t bytes) {
  Count(bytes);
  BufferBudget* const budget = account_->budget;
  if (account_->bytes <= account_->limit && !(budget && budget->is_over())) [[likely]]
    return;
  // Whoever is told may drop this holder.
  const auto account = account_;
  while (account->bytes > account->limit) {
    Holder* const most = account->ranking->Most(account.get());
    if (!most) break;
    most->Condemn();
  }
  if (budget && budget->is_over()) budget->Enforce(*account->ranking);
}

void Holder::Release(std::size_t bytes) {
  if (bytes == 0) return;
  bytes_ -= bytes;
  account_->bytes -= bytes;
  if (account_->budget) account_->budget->held.fetch_sub(bytes, std::memory_order_relaxed);
  account_->ranking->Moved(*this);
}

void Holder::Condemn() {
  is_condemned_ = true;
  account_->ranking->Moved(*this);
  if (account_->on_incident) account_->on_incident("held_bytes");
  OnMost();
}

std::shared_ptr<HolderRanking> BufferBudget::RankingOf(Worker& worker) {
  const std::lock_guard lock(mutex_);
  for (const auto& ranking : rankings_) {
    if (&ranking->worker_ == &worker) return ranking;
  }
  return rankings_.emplace_back(std::make_shared<HolderRanking>(worker));
}

void BufferBudget::Enforce(HolderRanking& mine) {
  while (is_over()) {
    HolderRanking* worst = &mine;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& ranking : rankings_) {
        if (ranking->most() > worst->most()) worst = ranking.get();
      }
    }
    if (worst != &mine) {
      if (worst->is_asked_.exchange(true)) return;
      return worst->worker_.Post([this, worst] {
        worst->is_asked_ = false;
        Enforce(*worst);
      });
    }
    Holder* const most = mine.Most(nullptr);
    if (!most) return;
    most->Condemn();
  }
}

}  // namespace sgw::core
