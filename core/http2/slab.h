// Slabs and pieces: received bytes that go on to another connection without being copied.
//
// A worker receives into slabs of 256 KiB. A Piece is a part of a slab and keeps it alive; an idle connection holds
// none. Small pieces are copied out at once, so that a few bytes that wait do not hold a whole slab; held ones are
// copied out when less than half of what they pin is still wanted.
//
// Buffers and pieces belong to one worker: their counts are not atomic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace sgw::core {

// A counted run of bytes. Made by SlabPool and Piece only.
struct Buffer {
  std::uint32_t references = 0;
  std::uint32_t capacity = 0;
  std::uint32_t used = 0;  // filled from the start
  std::uint32_t live = 0;  // bytes that pieces still want
  char* data() { return reinterpret_cast<char*>(this + 1); }
  std::uint32_t room() const { return capacity - used; }
};

// Some bytes of a Buffer. Copying one shares the bytes.
class Piece {
 public:
  Piece() = default;
  Piece(Buffer* buffer, const char* data, std::uint32_t size);
  Piece(const Piece& other) : Piece(other.buffer_, other.data_, other.size_) {}
  Piece(Piece&& other) noexcept
      : buffer_(std::exchange(other.buffer_, nullptr)), data_(other.data_), size_(std::exchange(other.size_, 0)) {}
  Piece& operator=(Piece other) noexcept;
  ~Piece();

  // A buffer of its own with a copy of the bytes.
  static Piece Copy(std::string_view bytes) { return CopyWithRoom(bytes, 0); }
  // The same, in a buffer that has room for at least `room` bytes in all.
  static Piece CopyWithRoom(std::string_view bytes, std::size_t room);
  // Appends to a piece that alone uses its buffer up to its end; false when it does not, or there is no room.
  bool Extend(std::string_view bytes);

  const char* data() const { return data_; }
  std::uint32_t size() const { return size_; }
  std::string_view view() const { return {data_, size_}; }
  bool empty() const { return size_ == 0; }

  // The first `size` bytes leave this piece and become one of their own.
  Piece TakeFront(std::uint32_t size);
  void DropFront(std::uint32_t size);
  // Gives up the slab that it is part of, if it is.
  void CopyOut();
  // The same, only if nothing is received into the slab any more and less than half of it is still wanted.
  void CopyOutIfWasteful();

 private:
  Buffer* buffer_ = nullptr;
  const char* data_ = nullptr;
  std::uint32_t size_ = 0;
};

// Adds a piece to those that wait. Small ones are put together: what waits costs memory by its bytes, not by its
// frames.
template <typename Pieces>
void AppendPiece(Pieces& pieces, Piece piece) {
  constexpr std::uint32_t kSmall = 256;
  if (!pieces.empty() && piece.size() < kSmall) {
    if (pieces.back().Extend(piece.view())) return;
    piece = Piece::CopyWithRoom(piece.view(), 4 * kSmall);
  }
  pieces.push_back(std::move(piece));
}

// The receive slabs of one worker.
class SlabPool {
 public:
  static constexpr std::uint32_t kSlabBytes = 256 * 1024;
  static constexpr std::uint32_t kCopyBelow = 4 * 1024;

  // The calling thread's pool.
  static SlabPool& Mine();
  ~SlabPool();

  // A slab with at least 16 KiB of room to receive into; stays the pool's.
  Buffer& Writable();
  // `size` bytes were received at the end of what Writable() gave.
  void Filled(std::uint32_t size);
  // The receiver is done: when nobody kept a piece, the slab is filled from its start again.
  void Rewind();

  // Slabs in use by pieces or for receiving, on this thread.
  std::size_t slabs() const { return slabs_; }

 private:
  friend class Piece;
  void Release(Buffer* buffer);

  Buffer* current_ = nullptr;
  Buffer* spare_[8] = {};
  std::size_t spares_ = 0;
  std::size_t slabs_ = 0;
};

}  // namespace sgw::core
