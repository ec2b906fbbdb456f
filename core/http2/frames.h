// Small helpers between our types and nghttp2's. For sources of this room only.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <vector>

#include "core/http2/header_block.h"

namespace sgw::core {

class Stream;

// A header block as nghttp2 takes it; the block must outlive the call, nghttp2 copies.
class NameValues {
 public:
  explicit NameValues(const HeaderBlock& headers) : size_(headers.size()) {
    if (size_ > few_.size()) many_.resize(size_);
    nghttp2_nv* out = data();
    for (std::size_t i = 0; i < size_; ++i) {
      const HeaderField field = headers[i];
      out[i] = {reinterpret_cast<uint8_t*>(const_cast<char*>(field.name.data())),
                reinterpret_cast<uint8_t*>(const_cast<char*>(field.value.data())), field.name.size(),
                field.value.size(),
                static_cast<uint8_t>(field.is_never_indexed ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)};
    }
  }
  nghttp2_nv* data() { return many_.empty() ? few_.data() : many_.data(); }
  const nghttp2_nv* data() const { return many_.empty() ? few_.data() : many_.data(); }
  std::size_t size() const { return size_; }

 private:
  std::array<nghttp2_nv, 32> few_;
  std::vector<nghttp2_nv> many_;
  std::size_t size_;
};

// The provider that reads what the stream's owner queued.
nghttp2_data_provider BodyOf(Stream& stream);

// The callbacks that every session of ours has.
const nghttp2_session_callbacks* SessionCallbacks();

}  // namespace sgw::core
