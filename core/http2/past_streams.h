// PastStreams: what is certain of a peer's streams that are no more.
//
// A peer may not know yet that we have reset a stream, so what still comes for one that has closed is passed over (RFC
// 9113, section 5.1). But where the peer ended or reset the stream by itself, or opened a later one in its place, more
// is an error of the peer's. The last few streams are remembered; of others nothing is certain.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sgw::core {

class PastStreams {
 public:
  enum class End : std::uint8_t {
    kUncertain,
    kEnded,    // by END_STREAM of both sides
    kReset,    // by the peer
    kSkipped,  // never opened, and cannot be any more
  };

  // The peer opened this stream, or goes on with it.
  void Opened(std::int32_t id) {
    if (id <= newest_) return;
    if (id > newest_ + 2) {
      skipped_from_ = newest_ + 2;
      skipped_to_ = id - 2;
    }
    newest_ = id;
  }
  // How it closed.
  void Closed(std::int32_t id, End end) {
    past_[next_] = {id, end};
    next_ = (next_ + 1) % past_.size();
  }

  End Of(std::int32_t id) const {
    if (id > newest_) return End::kUncertain;
    if (id >= skipped_from_ && id <= skipped_to_) return End::kSkipped;
    for (const Past& past : past_) {
      if (past.id == id) return past.end;
    }
    return End::kUncertain;
  }

 private:
  struct Past {
    std::int32_t id = 0;
    End end = End::kUncertain;
  };

  std::array<Past, 16> past_;
  std::size_t next_ = 0;
  std::int32_t newest_ = -1;
  std::int32_t skipped_from_ = 0;
  std::int32_t skipped_to_ = 0;
};

}  // namespace sgw::core
