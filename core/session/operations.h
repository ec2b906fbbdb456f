// Operations: those of one session, as far as its streams tell; see design section 2, step 8.
//
// Each ends once: neither an answer that is read again, nor a release of what is complete, nor an older stream that
// another one took over from ends it anew. What is not heard of for ten minutes is forgotten, as Spark has by then.
//
// Guarded by whoever owns it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/session/limits.h"
#include "core/worker/clock.h"

namespace sgw::core {

class Operations {
 public:
  // A stream of it opens; `is_start`: the one of its ExecutePlan. An operation that was not known takes the hold, and
  // keeps it to its end.
  void Open(const std::string& id, bool is_start, SteadyTime now, Hold& hold);

  enum class Closing : std::uint8_t {
    kPauses,  // it runs on, or may
    kFails,   // the driver's error: the operation's, unless another stream took over
    kEnds,
  };
  // A stream of it has closed. `is_known`: it was the start, or the driver has answered for it. One that runs on and
  // was not known takes the hold. True: it ended now.
  bool Close(const std::string& id, Closing how, bool is_known, SteadyTime now, Hold& hold);
  // All of it is released. True: it ended now.
  bool Release(const std::string& id);
  // The session has ended; gives those that end with it.
  std::vector<std::string> EndAll();
  // Gives those that count as ended.
  std::vector<std::string> Forget(SteadyTime now);

  std::size_t size() const { return running_.size(); }
  bool empty() const { return running_.empty(); }

 private:
  struct Operation {
    SteadyTime heard;
    int streams = 0;
    bool is_known = false;  // it did start; else a client asks for what may never have been
    Hold hold{};
  };

  bool is_kept(const std::string& id) const;
  bool has_ended(const std::string& id) const;
  bool NoteEnded(const std::string& id);

  std::unordered_map<std::string, Operation> running_;
  std::array<std::size_t, 32> ended_{};  // hashes of the ids of the newest
  std::size_t next_ended_ = 0;
  bool is_over_ = false;
};

}  // namespace sgw::core
