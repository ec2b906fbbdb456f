// Who holds received bytes, and whom it costs when there are too many of them.
//
// A byte is held from its receipt until the kernel has taken it on the other side, or until it was dropped. Whoever
// holds some is a Holder: a stream, for what it received and its owner has not credited, open or closed; a connection,
// for output of streams that nobody hears any more. All that a connection's holders hold is bounded, and all that the
// process holds. At either bound the Holder that holds the most is told to let go, wherever in the process it lives.
//
// A Holder lives on one worker. Holding and releasing cost an atomic addition and, rarely, a step in an ordered tree;
// workers look at each other only while the process is over its bound.
#pragma once

#include <atomic>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sgw::core {

class Worker;
class Holder;
class HolderRanking;

// The bound of the process. Safe for concurrent use; outlives the workers.
class BufferBudget {
 public:
  std::size_t limit = std::size_t{512} << 20;  // set before the first connection
  std::atomic<std::size_t> held{0};

 private:
  friend class Holder;
  friend struct HeldAccount;
  bool is_over() const { return held.load(std::memory_order_relaxed) > limit; }
  std::shared_ptr<HolderRanking> RankingOf(Worker& worker);
  void Enforce(HolderRanking& mine);

  std::mutex mutex_;  // Guards rankings_.
  std::vector<std::shared_ptr<HolderRanking>> rankings_;
};

// What the holders of one connection hold; it outlives the connection while one of them still holds something.
struct HeldAccount {
  HeldAccount(Worker& worker, std::size_t limit, BufferBudget* budget, std::function<void(const char*)> on_incident);

  std::size_t bytes = 0;
  const std::size_t limit;
  BufferBudget* const budget;  // null: none
  const std::function<void(const char*)> on_incident;
  const std::shared_ptr<HolderRanking> ranking;
  Holder* output = nullptr;  // the connection itself, while it is open
};

class Holder : public boost::intrusive::set_base_hook<> {
 public:
  explicit Holder(std::shared_ptr<HeldAccount> account) : account_(std::move(account)) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  // Counts these bytes. At a bound, tells any Holder of this worker, perhaps this one, that it holds the most.
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
  friend class HolderRanking;
  // A bound is reached and nobody holds more: once.
  virtual void OnMost() = 0;
  void Condemn();

  const std::shared_ptr<HeldAccount> account_;
  std::size_t bytes_ = 0;
  bool is_condemned_ = false;
};

}  // namespace sgw::core
