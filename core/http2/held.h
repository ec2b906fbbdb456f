// Who holds received bytes, and whom it costs when there are too many of them.
//
// A byte is held from its receipt until the kernel has taken it on the other side, or until it was dropped. Whoever
// holds some is a Holder: a stream, for what it received and its owner has not credited, open or closed; a connection,
// for output of streams that nobody hears any more. All that a connection's holders hold is bounded, and all that the
// process holds. At either bound a Holder is told to let go: of the connection, or of the worker that holds the most.
// Of those that hold at least half a window it is the one whose reader is behind for the longest, since when it took as
// much as is held now: neither does a fast reader go for what it has in flight, nor is one spared who takes a byte now
// and then. Where nobody holds that much, it is the one that holds the most.
//
// A Holder lives on one worker. Holding and releasing cost a few additions and a look at a coarse clock; workers look
// at each other only while the process is over its bound, and only then are holders compared.
#pragma once

#include <atomic>
#include <boost/intrusive/list_hook.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sgw::core {

class Worker;
class Holder;
class WorkerHolders;

// The bound of the process. Safe for concurrent use; outlives the workers.
class BufferBudget {
 public:
  std::size_t limit = std::size_t{512} << 20;  // set before the first connection
  std::atomic<std::size_t> held{0};

 private:
  friend class Holder;
  friend struct HeldAccount;
  bool is_over() const { return held.load(std::memory_order_relaxed) > limit; }
  std::shared_ptr<WorkerHolders> HoldersOf(Worker& worker);
  void Enforce(WorkerHolders& mine);

  std::mutex mutex_;  // Guards holders_.
  std::vector<std::shared_ptr<WorkerHolders>> holders_;
};

// What the holders of one connection hold; it outlives the connection while one of them still holds something.
struct HeldAccount {
  HeldAccount(Worker& worker, std::size_t limit, BufferBudget* budget, std::function<void(const char*)> on_incident);

  std::size_t bytes = 0;
  const std::size_t limit;
  BufferBudget* const budget;  // null: none
  const std::function<void(const char*)> on_incident;
  const std::shared_ptr<WorkerHolders> holders;
  Holder* output = nullptr;  // the connection itself, while it is open
};

class Holder : public boost::intrusive::list_base_hook<> {
 public:
  explicit Holder(std::shared_ptr<HeldAccount> account) : account_(std::move(account)) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  // Counts these bytes. At a bound, tells any Holder of this worker, perhaps this one, to let go.
  void Hold(std::size_t bytes);
  // The same without a look at the bounds, for bytes that another Holder releases.
  void Count(std::size_t bytes);
  void Release(std::size_t bytes);
  std::size_t bytes() const { return bytes_; }
  // Was told to let go. What it holds still counts.
  bool is_condemned() const { return is_condemned_; }
  const std::shared_ptr<HeldAccount>& account() const { return account_; }

 protected:
  virtual ~Holder() { Release(bytes_); }

 private:
  friend class BufferBudget;
  friend class WorkerHolders;
  // A bound is reached and this one is to go: once.
  virtual void OnCondemned() = 0;
  void Condemn();

  const std::shared_ptr<HeldAccount> account_;
  std::size_t bytes_ = 0;
  std::size_t taken_ = 0;       // released since `caught_up_`
  std::int64_t caught_up_ = 0;  // milliseconds: when its reader had last taken as much as was held then
  bool is_condemned_ = false;
};

}  // namespace sgw::core
