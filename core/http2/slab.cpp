#include "core/http2/slab.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

namespace sgw::core {
namespace {

constexpr std::uint32_t kMinRoom = 16 * 1024;

Buffer* Allocate(std::uint32_t capacity) {
  void* memory = std::malloc(sizeof(Buffer) + capacity);
  if (!memory) throw std::bad_alloc();
  auto* buffer = new (memory) Buffer;
  buffer->capacity = capacity;
  return buffer;
}

void Unreference(Buffer* buffer) {
  if (--buffer->references > 0) return;
  std::free(buffer);
}

}  // namespace

Piece::Piece(Buffer* buffer, const char* data, std::uint32_t size) : buffer_(buffer), data_(data), size_(size) {
  if (!buffer_) return;
  ++buffer_->references;
  buffer_->live += size_;
}

Piece& Piece::operator=(Piece other) noexcept {
  std::swap(buffer_, other.buffer_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Piece::~Piece() {
  if (!buffer_) return;
  buffer_->live -= size_;
  if (buffer_->capacity == SlabPool::kSlabBytes) {
    SlabPool::Mine().Release(buffer_);
  } else {
    Unreference(buffer_);
  }
}

Piece Piece::CopyWithRoom(std::string_view bytes, std::size_t room) {
  if (bytes.empty()) return {};
  auto capacity = static_cast<std::uint32_t>(std::max(bytes.size(), room));
  if (capacity == SlabPool::kSlabBytes) ++capacity;  // a slab is known by its size
  Buffer* buffer = Allocate(capacity);
  std::memcpy(buffer->data(), bytes.data(), bytes.size());
  buffer->used = static_cast<std::uint32_t>(bytes.size());
  return Piece(buffer, buffer->data(), buffer->used);
}

bool Piece::Extend(std::string_view bytes) {
  if (!buffer_ || buffer_->references != 1 || buffer_->capacity == SlabPool::kSlabBytes) return false;
  if (buffer_->room() < bytes.size() || data_ + size_ != buffer_->data() + buffer_->used) return false;
  std::memcpy(buffer_->data() + buffer_->used, bytes.data(), bytes.size());
  const auto size = static_cast<std::uint32_t>(bytes.size());
  buffer_->used += size;
  buffer_->live += size;
  size_ += size;
  return true;
}

Piece Piece::TakeFront(std::uint32_t size) {
  assert(size <= size_);
  Piece front(buffer_, data_, size);
  DropFront(size);
  return front;
}

void Piece::DropFront(std::uint32_t size) {
  assert(size <= size_);
  data_ += size;
  size_ -= size;
  if (buffer_) buffer_->live -= size;
}

void Piece::CopyOut() {
  if (buffer_ && buffer_->capacity == SlabPool::kSlabBytes) *this = Copy(view());
}

void Piece::CopyOutIfWasteful() {
  if (buffer_ && buffer_ != SlabPool::Mine().current_ && buffer_->live < SlabPool::kSlabBytes / 2) CopyOut();
}

SlabPool& SlabPool::Mine() {
  thread_local SlabPool pool;
  return pool;
}

SlabPool::~SlabPool() {
  if (current_) Unreference(current_);
  for (std::size_t i = 0; i < spares_; ++i) std::free(spare_[i]);
}

Buffer& SlabPool::Writable() {
  if (current_ && current_->room() >= kMinRoom) return *current_;
  if (current_) Release(std::exchange(current_, nullptr));
  current_ = spares_ > 0 ? spare_[--spares_] : Allocate(kSlabBytes);
  current_->used = 0;
  current_->references = 1;
  ++slabs_;
  return *current_;
}

void SlabPool::Filled(std::uint32_t size) { current_->used += size; }

void SlabPool::Rewind() {
  if (current_ && current_->references == 1) current_->used = 0;
}

void SlabPool::Release(Buffer* buffer) {
  if (--buffer->references > 0) return;
  --slabs_;
  if (spares_ < std::size(spare_)) {
    spare_[spares_++] = buffer;
  } else {
    std::free(buffer);
  }
}

}  // namespace sgw::core
