// LateData: finds DATA that a client sends on a stream which it has ended, reset or passed over by itself.
//
// nghttp2 drops such a frame and tells nobody, so the heads of all frames are looked at before it sees them. This is
// also what tells PastStreams which streams the client opens and resets.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/http2/past_streams.h"

namespace sgw::core {

class LateData {
 public:
  // The streams of such frames whose heads end in these bytes, the next ones that were received. Tells `past` what the
  // client opens and resets.
  std::vector<std::int32_t> In(std::string_view bytes, PastStreams& past) {
    std::vector<std::int32_t> late;
    while (!bytes.empty()) {
      if (const std::size_t skipped = std::min<std::size_t>(skip_, bytes.size())) {
        skip_ -= static_cast<std::uint32_t>(skipped);
        bytes.remove_prefix(skipped);
        continue;
      }
      head_[have_++] = static_cast<std::uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      if (have_ < kHead) continue;
      have_ = 0;
      skip_ = BigEndian(0, 3);
      const auto id = static_cast<std::int32_t>(BigEndian(5, 4) & 0x7fffffff);
      switch (head_[3]) {
        case NGHTTP2_HEADERS: past.Opened(id); break;
        case NGHTTP2_RST_STREAM: past.Closed(id, PastStreams::End::kReset); break;
        case NGHTTP2_DATA:
          if (past.Of(id) != PastStreams::End::kUncertain) late.push_back(id);
          break;
        default: break;
      }
    }
    return late;
  }

 private:
  static constexpr std::size_t kHead = 9;

  std::uint32_t BigEndian(std::size_t at, std::size_t size) const {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + size; ++i) value = value << 8 | head_[i];
    return value;
  }

  std::uint32_t skip_ = NGHTTP2_CLIENT_MAGIC_LEN;  // of the preface, then of a frame
  std::uint8_t have_ = 0;
  std::array<std::uint8_t, kHead> head_{};
};

}  // namespace sgw::core
