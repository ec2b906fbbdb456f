#include "core/http2/held.h"

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <ctime>
#include <tuple>
#include <utility>

#include "core/worker/worker.h"

namespace sgw::core {
namespace {

std::int64_t CoarseMilliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// Half of a window towards a driver. A call that waits for its driver holds less, however long it waits.
constexpr std::size_t kMuch = 128 * 1024;

}  // namespace

// The holders of one worker, without those that were told to let go.
class WorkerHolders {
 public:
  explicit WorkerHolders(Worker& worker) : worker_(worker) {}

  // The holder holds more or less than before.
  void Changed(Holder& holder) {
    const bool belongs = holder.bytes_ > 0 && !holder.is_condemned_;
    if (belongs == holder.is_linked()) return;
    belongs ? list_.push_back(holder) : void(list_.erase(list_.iterator_to(holder)));
  }

  // The higher, the sooner it is to go.
  static auto Rank(const Holder& holder) {
    const bool holds_much = holder.bytes_ >= kMuch;
    return std::tuple(holds_much, holds_much ? -holder.caught_up_ : 0, holder.bytes_);
  }

  // Who is to go first, of this connection or of all. Null: nobody.
  Holder* First(const HeldAccount* account) {
    Holder* first = nullptr;
    for (Holder& holder : list_) {
      if (account && holder.account_.get() != account) continue;
      if (!first || Rank(holder) > Rank(*first)) first = &holder;
    }
    return first;
  }

  // Only the worker adds; any thread reads.
  void Add(std::size_t bytes) { total_.store(total() + bytes, std::memory_order_relaxed); }
  void Subtract(std::size_t bytes) { total_.store(total() - bytes, std::memory_order_relaxed); }
  std::size_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  friend class BufferBudget;

  Worker& worker_;
  boost::intrusive::list<Holder> list_;
  alignas(64) std::atomic<std::size_t> total_{0};  // what all of them hold
  std::atomic<bool> is_asked_{false};              // another worker has posted that this one is to look
};

HeldAccount::HeldAccount(Worker& worker, std::size_t bound, BufferBudget* process,
                         std::function<void(const char*)> incident)
    : limit(bound),
      budget(process),
      on_incident(std::move(incident)),
      holders(process ? process->HoldersOf(worker) : std::make_shared<WorkerHolders>(worker)) {}

void Holder::Count(std::size_t bytes) {
  if (bytes == 0) return;
  if (bytes_ == 0) {
    taken_ = 0;
    caught_up_ = CoarseMilliseconds();
  }
  bytes_ += bytes;
  account_->bytes += bytes;
  if (account_->budget) account_->budget->held.fetch_add(bytes, std::memory_order_relaxed);
  account_->holders->Add(bytes);
  account_->holders->Changed(*this);
}

void Holder::Hold(std::size_t bytes) {
  Count(bytes);
  BufferBudget* const budget = account_->budget;
  if (account_->bytes <= account_->limit && !(budget && budget->is_over())) [[likely]]
    return;
  // Whoever is told may drop this holder.
  const auto account = account_;
  while (account->bytes > account->limit) {
    Holder* const first = account->holders->First(account.get());
    if (!first) break;
    first->Condemn();
  }
  if (budget && budget->is_over()) budget->Enforce(*account->holders);
}

void Holder::Release(std::size_t bytes) {
  if (bytes == 0) return;
  bytes_ -= bytes;
  account_->bytes -= bytes;
  if (account_->budget) account_->budget->held.fetch_sub(bytes, std::memory_order_relaxed);
  if ((taken_ += bytes) >= bytes_) {
    taken_ = 0;
    caught_up_ = CoarseMilliseconds();
  }
  account_->holders->Subtract(bytes);
  account_->holders->Changed(*this);
}

void Holder::Condemn() {
  is_condemned_ = true;
  account_->holders->Changed(*this);
  if (account_->on_incident) account_->on_incident("held_bytes");
  OnCondemned();
}

std::shared_ptr<WorkerHolders> BufferBudget::HoldersOf(Worker& worker) {
  const std::lock_guard lock(mutex_);
  for (const auto& holders : holders_) {
    if (&holders->worker_ == &worker) return holders;
  }
  return holders_.emplace_back(std::make_shared<WorkerHolders>(worker));
}

void BufferBudget::Enforce(WorkerHolders& mine) {
  while (is_over()) {
    WorkerHolders* worst = &mine;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& holders : holders_) {
        if (holders->total() > worst->total()) worst = holders.get();
      }
    }
    if (worst != &mine) {
      if (worst->is_asked_.exchange(true)) return;
      return worst->worker_.Post([this, worst] {
        worst->is_asked_ = false;
        Enforce(*worst);
      });
    }
    Holder* const first = mine.First(nullptr);
    if (!first) return;
    first->Condemn();
  }
}

}  // namespace sgw::core
