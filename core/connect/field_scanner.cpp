#include "core/connect/field_scanner.h"

#include <algorithm>

namespace sgw::core {
namespace {

constexpr std::uint64_t kMaxLength = 0x7FFFFFFF;  // parsers take lengths as int32
constexpr std::uint64_t kMaxFieldNumber = (1u << 29) - 1;
constexpr int kMaxVarintBytes = 10;
constexpr int kMaxTagBytes = 5;

}  // namespace

bool FieldScanner::Refuse(const char* why) {
  error_ = why;
  return false;
}

void FieldScanner::EndField(Visitor& visitor, std::uint64_t value) {
  capture_ = nullptr;
  state_ = State::kTag;
  gathered_ = 0;
  varint_ = 0;
  visitor.OnValue(number_, value);
}

void FieldScanner::BeginField(Visitor& visitor) {
  const char* refusal = nullptr;
  capture_ = visitor.OnField(number_, type_, type_ == WireType::kLength ? skip_ : 0, &refusal);
  if (refusal) {
    Refuse(refusal);
  } else if (type_ == WireType::kVarint) {
    state_ = State::kVarint;
  } else if (skip_ > left_) {
    Refuse("a field that overruns its message");
  } else if (skip_ == 0) {
    EndField(visitor, 0);
  } else {
    state_ = State::kSkip;
  }
}

std::size_t FieldScanner::Feed(std::string_view bytes, Visitor& visitor) {
  std::size_t at = 0;
  while (at < bytes.size() && !error_) {
    if (state_ == State::kPrefix) {
      prefix_[gathered_++] = static_cast<std::uint8_t>(bytes[at++]);
      if (gathered_ < 5) continue;
      gathered_ = 0;
      varint_ = 0;
      left_ = std::uint64_t{prefix_[1]} << 24 | std::uint64_t{prefix_[2]} << 16 | std::uint64_t{prefix_[3]} << 8 |
              prefix_[4];
      if (const char* refusal = visitor.OnMessage(prefix_[0], static_cast<std::uint32_t>(left_))) {
        Refuse(refusal);
        return at;
      }
      if (left_ > 0) {
        state_ = State::kTag;
      } else {
        visitor.OnMessageEnd();
      }
      return at;
    }
    if (state_ == State::kSkip) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size() - at));
      if (capture_) capture_->append(bytes.substr(at, size));
      at += size;
      skip_ -= size;
      left_ -= size;
      if (skip_ == 0) EndField(visitor, 0);
    } else {
      // A byte of a varint: a tag, a length or a value.
      const auto byte = static_cast<std::uint8_t>(bytes[at]);
      if (gathered_ == kMaxVarintBytes - 1 && byte > 1) {
        Refuse("a number of more than 64 bits");
        break;
      }
      varint_ |= std::uint64_t{byte & 0x7Fu} << (7 * gathered_);
      ++gathered_;
      ++at;
      --left_;
      if (byte & 0x80) {
        if (state_ == State::kTag && gathered_ == kMaxTagBytes)
          Refuse("a field tag of more than 5 bytes");
        else if (left_ == 0)
          Refuse("a message that ends inside a field");
        continue;
      }
      const std::uint64_t value = varint_;
      gathered_ = 0;
      varint_ = 0;
      if (state_ == State::kVarint) {
        EndField(visitor, value);
      } else if (state_ == State::kLength) {
        if (value > kMaxLength) {
          Refuse("a field of more than 2 GiB");
          break;
        }
        skip_ = value;
        BeginField(visitor);
      } else {
        const std::uint64_t number = value >> 3;
        if (number == 0 || number > kMaxFieldNumber) {
          Refuse("a field number out of range");
          break;
        }
        number_ = static_cast<std::uint32_t>(number);
        skip_ = 0;
        switch (value & 7) {
          case 0: type_ = WireType::kVarint; break;
          case 1:
            type_ = WireType::kFixed64;
            skip_ = 8;
            break;
          case 2: type_ = WireType::kLength; break;
          case 5:
            type_ = WireType::kFixed32;
            skip_ = 4;
            break;
          default: Refuse("a group or an unknown wire type"); break;
        }
        if (error_) break;
        if (type_ == WireType::kLength) {
          state_ = State::kLength;
        } else {
          BeginField(visitor);
        }
        if (!error_ && left_ == 0 && state_ != State::kTag) Refuse("a message that ends inside a field");
      }
    }
    if (error_) break;
    if (left_ == 0) {
      if (state_ != State::kTag || gathered_ != 0) {
        Refuse("a message that ends inside a field");
        break;
      }
      state_ = State::kPrefix;
      visitor.OnMessageEnd();
      return at;
    }
  }
  return at;
}

}  // namespace sgw::core
